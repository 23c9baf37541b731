// Other controls: visitors, notifications on demand, tokens, clock, keys.

import { button, dateTime, h, link, raw, yuan } from './dom.js'
import { form } from './forms.js'
import { account } from './guide.js'
import { act } from './server.js'
import { t } from './view.js'

const EVENTS = ['payment', 'refund', 'TRANSACTION.SUCCESS', 'REFUND.SUCCESS', 'REFUND.CLOSED', 'REFUND.ABNORMAL']
const tool = (word, ...how) => button(t(word), () => act(...how), { 'data-tool': word })

const visitor = () => h('div', { class: 'card' }, h('h2', {}, t('visitor')),
  form({ title: 'paymentCode', label: 'make', path: 'auth-codes', fields: [{ name: 'behaviour', label: 'whenScanned', kind: 'choice', choices: [['pays', 'codePays'], ['asks', 'codeAsks'], ['poor', 'codePoor'], ['expired', 'codeExpired']] }, { name: 'openid', label: 'openid' }], result: answer => answer.auth_code }),
  form({ title: 'scan', label: 'go', path: 'scan', fields: [{ name: 'url', label: 'codeSays', required: true }, { name: 'openid', label: 'openid' }], result: order => order.out_trade_no }),
  form({ title: 'loginCode', label: 'make', path: 'login-codes', fields: [{ name: 'openid', label: 'openid' }], result: answer => answer.code }),
  form({ title: 'phoneCode', label: 'make', path: 'phone-codes', fields: [{ name: 'phone', label: 'phone' }], result: answer => answer.code }),
  form({ title: 'subscription', label: 'go', path: 'messages/subscription', fields: [{ name: 'openid', label: 'openid', required: true }, { name: 'accepts', label: 'accepts', kind: 'check', value: true }] }))

const onDemand = () => h('div', { class: 'card' }, h('h2', {}, t('notifications')),
  form({ title: 'trigger', label: 'send', path: 'trigger', hint: 'triggerHint', fields: [{ name: 'event', label: 'event', kind: 'choice', choices: EVENTS }, { name: 'url', label: 'notifyUrl', required: true }, { name: 'out_trade_no', label: 'orderNumber' }, { name: 'amount', label: 'fen', kind: 'number' }, { name: 'v2', label: 'asV2', kind: 'check' }], body: ({ v2, ...rest }) => ({ ...rest, ...(v2 && { v2 }) }), result: ({ accepted, reply, error }) => `${t(accepted ? 'accepted' : 'failed')} ${reply?.status ?? error ?? ''}` }),
  form({ title: 'probe', label: 'send', path: 'probe', hint: 'probeHint', fields: [{ name: 'url', label: 'notifyUrl', required: true }], result: ({ reply, error }) => String(reply?.status ?? error) }))

function keys ({ keyMode, keySwitch }) {
  return form({
    title: 'keyMode',
    label: 'set',
    path: 'keys/mode',
    fields: [
      { name: 'mode', label: 'signsWith', kind: 'choice', choices: ['public-key', 'certificate', 'both'], value: keyMode },
      { name: 'stage', label: 'stage', kind: 'choice', choices: [['not-begun', 'stageNotBegun'], ['under-way', 'stageUnderWay'], ['done', 'stageDone']], value: keySwitch.stage },
      { name: 'callbacks', label: 'callbackShare', kind: 'number', value: String(keySwitch.callbacks) }
    ]
  })
}

function render ({ tokens, balance, minute, ...rest }) {
  return h('div', { class: 'columns' },
    visitor(),
    onDemand(),
    h('div', { class: 'card' }, h('h2', {}, t('accountTools')),
      h('p', { class: 'hint' }, `${t('issued')}: ${tokens.tokens} access_token, ${tokens.tickets} ticket · ${t('balance')} ${yuan(balance)}`),
      h('div', { class: 'actions' }, tool('expire', 'tokens/expire', 'POST', {}), tool('expireAll', 'tokens/expire', 'POST', { tickets: true })),
      h('h3', {}, t('calendar'), ' ', raw(dateTime(minute))),
      h('div', { class: 'actions' },
        tool('fiveMinutes', 'clock/advance', 'POST', { ms: 300_000 }), tool('twoHours', 'clock/advance', 'POST', { ms: 7200_000 }), tool('day', 'clock/advance', 'POST', { ms: 86_400_000 }), tool('dayBack', 'clock/advance', 'POST', { ms: -86_400_000 }), tool('today', 'clock/reset')),
      keys(rest),
      h('div', { class: 'actions' }, tool('rotate', 'keys/rotate')),
      h('p', { class: 'hint' }, h('a', { href: 'openapi.json', target: '_blank', rel: 'noopener' }, t('openapi')))),
    h('div', { class: 'card wide' }, h('h2', {}, t('account')), account(), link('orders', t('orders'))))
}

export const tools = { name: 'tools', isTool: true, shows: ({ tokens, balance, keyMode, keySwitch, now }) => ({ tokens, balance, keyMode, keySwitch, minute: now.slice(0, 16) }), render }
