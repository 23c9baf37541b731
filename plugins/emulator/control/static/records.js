// Everything but orders, calls and notifications: transfers, profit sharing, services, complaints, messages.

import { badge, button, folder, h, id, link, raw, time, yuan, part } from './dom.js'
import { form } from './forms.js'
import { act, ofSub, segment } from './server.js'
import { t, nameOf, view } from './view.js'
import { happened, RECORD_STATES, TABLES } from './words.js'

const state = (choices, value = choices[0]) => ({ name: 'state', label: 'state', kind: 'choice', choices, value })

/** The actions on a row, by table. */
const ACTIONS = {
  transfers: (number, record) => [
    record.state === 'WAIT_USER_CONFIRM' && button(t('confirm'), () => act(`transfers/${number}/confirm${ofSub(record)}`), { class: 'main' }),
    form({ title: 'settleTransfer', label: 'settle', path: `transfers/${number}/settle${ofSub(record)}`, fields: [state(['SUCCESS', 'FAIL', 'CANCELLED', 'PROCESSING', 'TRANSFERING', 'WAIT_USER_CONFIRM', 'ACCEPTED', 'CANCELING']), { name: 'reason', label: 'reason' }] })
  ],
  authorizations: number => [form({ title: 'settleAuthorization', label: 'settle', path: `authorizations/${number}/settle`, fields: [state(['TAKING_EFFECT', 'CLOSED'])] })],
  transferBatches: number => [form({ title: 'settleBatch', label: 'settle', path: `batches/${number}/settle`, fields: [{ name: 'failing', label: 'failing' }, { name: 'closeReason', label: 'closeReason', kind: 'choice', choices: [['', 'none'], 'MERCHANT_REVOCATION', 'OVERDUE_CLOSE'] }], body: ({ failing, ...rest }) => ({ ...rest, ...(failing && { failing: failing.split(/[\s,]+/) }) }) })],
  withdrawals: number => [form({ title: 'settleWithdrawal', label: 'settle', path: `withdrawals/${number}/settle`, fields: [{ ...state(['SUCCESS', 'FAIL', 'REFUND', 'CLOSE']), name: 'status' }, { name: 'reason', label: 'reason' }] })],
  serviceOrders: (number, record) => [
    record.state === 'CREATED' && button(t('confirmService'), () => act(`service-orders/${number}/confirm`), { class: 'main' }),
    record.state === 'DOING' && button(t('collect'), () => act(`service-orders/${number}/pay`))
  ],
  complaints: number => [form({ title: 'payerActs', label: 'send', path: `complaints/${number}/act`, fields: [{ name: 'action', label: 'action', kind: 'choice', choices: [['continue', 'complaintContinue'], ['respond', 'complaintRespond'], ['revoke', 'complaintRevoke'], ['confirm', 'complaintConfirm']] }, { name: 'detail', label: 'complaintText' }] })]
}

const kindOf = state => /^(SUCCESS|FINISHED|PROCESSED|DONE|SIGNED|TAKING_EFFECT)$/.test(state) ? 'good' : /FAIL|CANCEL|CLOSE|REVOKED|EXPIRED|TERMINATED/.test(state) ? 'bad' : 'odd'

/** A record: name, amount, state, ids, history, actions, and all fields. */
function recordCard ({ table, number, name, amount, state, at, record }) {
  const events = [
    ...at ? [{ at, what: nameOf(TABLES, table) }] : [],
    ...(record.history ?? []).map(({ at, what, type, details }) => ({ at, what: what === undefined ? raw([type, details].filter(Boolean).join(' ')) : happened(what, view.language) }))
  ]
  const order = record.out_trade_no
  return h('article', { class: 'card order' },
    h('div', { class: 'head' },
      amount !== undefined && h('span', { class: 'amount' }, yuan(amount)),
      name ? raw(name, { class: 'name' }) : h('span', { class: 'name' }, nameOf(TABLES, table)),
      state && badge(kindOf(state), nameOf(RECORD_STATES, state))),
    h('p', { class: 'ids' }, [number, record.openid, record.transaction_id, order].filter(Boolean).flatMap((text, at) => [at > 0 && ' · ', id(text)])),
    h('ol', { class: 'life' }, ...events.map(({ at, what }) => h('li', {}, what, time(at)))),
    h('div', { class: 'actions' }, ...ACTIONS[table]?.(segment(number), record) ?? [], order && link(`orders/${segment(order)}`, t('itsOrder'))),
    folder([h('span', { class: 'what' }, t('everything'))], async () => part(t('everything'), JSON.stringify(record, null, 2))))
}

export const recordPanel = name => ({
  name,
  key: ({ key }) => key,
  render: recordCard,
  stateWord: state => nameOf(RECORD_STATES, state) || t('none'),
  empty: () => h('p', { class: 'empty' }, t('noRecords'))
})
