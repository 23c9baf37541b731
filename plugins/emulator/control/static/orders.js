// Orders: details, history, and actions of the visitor and the merchant.

import { badge, button, folder, h, id, link, raw, time, yuan } from './dom.js'
import { form } from './forms.js'
import { guide } from './guide.js'
import { act, ofSub, segment } from './server.js'
import { t, nameOf, view } from './view.js'
import { ABOUT, happened, REFUND_STATES, STATES } from './words.js'

const KINDS = { SUCCESS: 'good', NOTPAY: 'odd', USERPAYING: 'odd', PARTLY_REFUNDED: 'odd', REFUND: '', CLOSED: '', REVOKED: '', PAYERROR: 'bad' }
const REFUND_KINDS = { SUCCESS: 'good', PROCESSING: '', REFUNDCLOSE: 'bad', CHANGE: 'bad' }
const REFUND_ENDS = [['SUCCESS', 'refundSuccess'], ['CLOSED', 'refundClosed'], ['ABNORMAL', 'refundAbnormal']]

function lifeLine (order) {
  const events = [
    ...order.history.map(({ at, what }) => ({ at, what: happened(what, view.language), kind: /^paid/.test(what) ? 'good' : /cancel|closed|expired|complain/.test(what) ? 'bad' : '' })),
    ...order.deliveries.map(({ at, state, about }) => ({ at, what: `${t({ accepted: 'notified', failed: 'notNotified', underWay: 'notifying' }[state])} (${nameOf(ABOUT, about)})`, kind: { accepted: 'good', failed: 'bad', underWay: '' }[state] })),
    ...order.refunds.map(refund => ({ at: refund.at, what: `${nameOf(REFUND_STATES, refund.refund_status)} ${yuan(refund.refund_fee)}`, kind: REFUND_KINDS[refund.refund_status] })),
    ...order.next.map(({ at, attempt, about }) => ({ at, what: `${t('nextAttempt')} #${attempt} (${nameOf(ABOUT, about)})`, kind: 'odd' }))
  ].sort((one, other) => one.at < other.at ? -1 : 1)
  return h('ol', { class: 'life' }, ...events.map(({ at, what, kind }) => h('li', { class: kind }, what, time(at))))
}

function orderCard (order) {
  const number = segment(order.out_trade_no)
  const path = `orders/${number}`
  const query = ofSub(order)
  const isOpen = order.trade_state === 'NOTPAY' || order.trade_state === 'USERPAYING'
  const isPaid = order.trade_state === 'SUCCESS' || order.trade_state === 'REFUND'
  const does = (what, word, props) => button(t(word), () => act(`${path}/${what}${query}`), props)
  return h('article', { class: 'card order' },
    h('div', { class: 'head' },
      h('span', { class: 'amount' }, yuan(order.total_fee)),
      raw(order.body, { class: 'name' }),
      badge(KINDS[order.state], nameOf(STATES, order.state))),
    h('p', { class: 'ids' }, id(order.out_trade_no), raw(` · ${order.trade_type} · ${order.sign_type === 'RSA' ? 'APIv3' : `v2 ${order.sign_type}`}`), ...order.transaction_id ? [' · ', id(order.transaction_id)] : []),
    lifeLine(order),
    h('div', { class: 'actions' },
      isOpen && (order.combine_out_trade_no
        ? button(t('payTogether'), () => act(`combines/${segment(order.combine_out_trade_no)}/pay`), { class: 'main' })
        : does('pay', 'pay', { class: 'main' })),
      isOpen && does('cancel', 'cancel'),
      order.trade_state === 'NOTPAY' && does('expire', 'expireOrder'),
      isPaid && order.left > 0 && button(`${t('refund')} ${yuan(order.left)}`, () => act(`${path}/refund${query}`)),
      order.refunds.filter(({ refund_status: status }) => status === 'PROCESSING').flatMap(refund => REFUND_ENDS.map(([status, word]) =>
        button(`${t(word)} ${yuan(refund.refund_fee)}`, () => act(`refunds/${segment(refund.out_refund_no)}/settle`, 'POST', { status })))),
      link(`calls/${number}`, t('itsCalls')),
      link(`notifications/${number}`, t('itsNotifications'))),
    isPaid && folder([h('span', { class: 'what' }, t('more'))], async () => [
      order.left > 0 && form({ title: 'refundPart', label: 'refund', path: `${path}/refund${query}`, fields: [{ name: 'amount', label: 'fen', kind: 'number', value: '1', required: true }] }),
      ...order.refunds.map(refund => form({ title: 'refundEnd', label: 'settle', path: `refunds/${segment(refund.out_refund_no)}/settle`, fields: [{ name: 'status', label: 'state', kind: 'choice', choices: REFUND_ENDS }] })),
      form({ title: 'complain', path: 'complaints', fields: [{ name: 'detail', label: 'complaintText', required: true }], body: filled => ({ ...filled, out_trade_no: order.out_trade_no, ...(order.sub_mch_id && { sub_mch_id: order.sub_mch_id }) }) })
    ].filter(Boolean)))
}

export const orders = {
  name: 'orders',
  key: order => `${order.sub_mch_id}/${order.out_trade_no}`,
  render: orderCard,
  stateWord: state => nameOf(STATES, state),
  empty: guide
}
