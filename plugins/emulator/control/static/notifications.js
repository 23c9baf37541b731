// Each attempt to notify the app: the reply, the failure's reason, and the time of the next attempt.

import { badge, button, clock, dateTime, folder, h, link, part, raw, time } from './dom.js'
import { act, segment } from './server.js'
import { t, nameOf, view } from './view.js'
import { ABOUT, NETWORK } from './words.js'

const KINDS = { accepted: 'good', failed: 'bad', underWay: '' }

/** Why WeChat does not count it as accepted. */
function reasonOf ({ reply, error, request }) {
  if (error) return [Object.entries(NETWORK).find(([sign]) => error.includes(sign))?.[1][view.language], error].filter(Boolean).join(' — ')
  const isV3 = 'wechatpay-signature' in request.headers
  const rule = isV3 ? t('wantsV3') : reply.status === 200 ? t('wantsSuccess') : t('wantsV2')
  return `HTTP ${reply.status}. ${rule}${reply.body ? ` — ${reply.body.slice(0, 200)}` : ''}`
}

function notificationCard (it) {
  const headers = Object.entries(it.request.headers).map(([name, value]) => `${name}: ${value}`).join('\n')
  const number = it.out_trade_no
  return h('article', { class: 'card' },
    folder([
      time(it.sent_at), h('span', { class: 'what' }, `${nameOf(ABOUT, it.about)} · `, raw(it.out_refund_no || number), ` · ${t('attempt')} #${it.attempt}`),
      badge(KINDS[it.state], `${t(it.state)}${it.reply ? ` ${it.reply.status}` : ''}`),
      it.state === 'failed' && raw(reasonOf(it), { class: 'why' }),
      it.next && h('span', { class: 'why next', title: dateTime(it.next) }, `${t('nextAt')} ${clock(it.next)}`)
    ].filter(Boolean), async () => [...part(t('request'), `POST ${it.url}\n${headers}\n\n${it.request.body}`), ...part(t('reply'), it.error ?? (it.reply ? `${it.reply.status}\n\n${it.reply.body}` : ''))]),
    h('div', { class: 'actions' },
      button(t('resend'), () => act(`notifications/${it.id}/resend`)),
      number && link(`orders/${segment(number)}`, t('itsOrder')),
      number && link(`calls/${segment(number)}`, t('itsCalls'))))
}

export const notifications = {
  name: 'notifications',
  key: ({ id }) => id,
  render: notificationCard,
  stateWord: t,
  empty: () => h('p', { class: 'empty' }, t('noNotifications'))
}
