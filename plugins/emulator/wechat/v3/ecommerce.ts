/** /v3/ecommerce: a platform's profit sharing and refunds for its merchants. Same behaviour as /v3/profitsharing and /v3/refund, different field names. */
import type { ShareReturn, Share, Sharing } from '../sharing.ts'
import { NOT_YET } from '../sharing.ts'
import { rfc3339 } from '../../state/state.ts'
import type { Refund } from '../../state/state.ts'
import { isOurs } from './area.ts'
import type { V3Area } from './area.ts'
import { sharingError } from './profit-sharing.ts'
import { refundJson, refundProblem } from './refunds.ts'
import { invalid, list, object, text } from './shape.ts'
import type { Json } from './shape.ts'
import { refuse } from './wire.ts'

export function v3Ecommerce ({ route, state, orders, refunds }: V3Area, sharing: Sharing): void {
  const base = '/v3/ecommerce/profitsharing'
  const notAuthorized = (sub: unknown) => isOurs(state, sub) ? undefined : refuse(403, 'NO_AUTH', '无分账权限')

  route('POST', `${base}/receivers/add`, ({ body }) => {
    sharing.receivers.set(text(body.account), true)
    return { type: body.type, account: body.account }
  }, { body: ['appid!', 'type!', 'account!', 'name', 'encrypted_name', 'relation_type!'] })
  route('POST', `${base}/receivers/delete`, ({ body }) => {
    sharing.receivers.delete(text(body.account))
    return { type: body.type, account: body.account }
  }, { body: ['appid!', 'type!', 'account!'] })

  const json = (share: Share): Json => ({
    sub_mchid: share.sub_mch_id,
    transaction_id: share.transaction_id,
    out_order_no: share.out_order_no,
    order_id: share.order_id,
    status: share.state,
    receivers: share.receivers.map(({ amount, description, type, account, detail_id: id }) => ({ amount, description, result: share.state === 'FINISHED' ? 'SUCCESS' : 'PENDING', finish_time: rfc3339(share.finished || NOT_YET), type, receiver_account: account, detail_id: id }))
  })

  route('POST', `${base}/orders`, ({ body }) => {
    const problem = notAuthorized(body.sub_mchid)
    if (problem) return problem
    const receivers = list(body.receivers)
    if (typeof body.finish !== 'boolean') return invalid('finish')
    if (receivers.length === 0 || receivers.some(({ amount }) => (amount as number) < 1)) return invalid('receivers')
    const made = sharing.share({ out_order_no: text(body.out_order_no), sub_mch_id: text(body.sub_mchid), transaction_id: text(body.transaction_id), receivers: receivers.map(({ type, receiver_account: account, amount, description }) => ({ type: text(type), account: text(account), amount: amount as number, description: text(description) })), unfreeze: body.finish, description: '', notify_url: '' })
    return typeof made === 'string' ? sharingError(made) : json(made)
  }, { body: ['appid', 'sub_mchid!', 'transaction_id!', 'out_order_no!', 'receivers!', 'receivers[]/type!', 'receivers[]/receiver_account!', 'receivers[]/amount!#', 'receivers[]/description!', 'finish!'] })

  route('GET', `${base}/orders`, ({ query }) => {
    const share = sharing.find(query.out_order_no as string, query.sub_mchid as string)
    return share?.transaction_id === query.transaction_id && share ? json(share) : refuse(404, 'RESOURCE_NOT_EXISTS', '记录不存在', 268512771)
  }, { query: ['sub_mchid', 'transaction_id', 'out_order_no'] })

  route('POST', `${base}/finish-order`, ({ body }) => {
    const problem = notAuthorized(body.sub_mchid)
    if (problem) return problem
    const made = sharing.share({ out_order_no: text(body.out_order_no), sub_mch_id: text(body.sub_mchid), transaction_id: text(body.transaction_id), receivers: [], unfreeze: true, description: text(body.description), notify_url: '' })
    return typeof made === 'string' ? sharingError(made) : { sub_mchid: made.sub_mch_id, transaction_id: made.transaction_id, out_order_no: made.out_order_no, order_id: made.order_id }
  }, { body: ['sub_mchid!', 'transaction_id!', 'out_order_no!', 'description!'] })

  route('GET', `${base}/orders/:id/amounts`, ({ params }) => {
    const order = orders.byTransaction(params.id as string)
    return order ? { transaction_id: order.transaction_id, unsplit_amount: sharing.left(order) } : refuse(404, 'RESOURCE_NOT_EXISTS', '订单不存在', 268512771)
  })

  const returned = (back: ShareReturn): Json => ({ sub_mchid: back.sub_mch_id, order_id: back.order_id, out_order_no: back.out_order_no, out_return_no: back.out_return_no, return_mchid: back.account, amount: back.amount, return_no: back.return_id, result: 'SUCCESS', finish_time: rfc3339(back.at) })
  route('POST', `${base}/returnorders`, ({ body }) => {
    const back = sharing.takeBack({ out_return_no: text(body.out_return_no), sub_mch_id: text(body.sub_mchid), account: text(body.return_mchid), amount: body.amount as number, description: text(body.description), ...(body.out_order_no !== undefined && { out_order_no: text(body.out_order_no) }), ...(body.order_id !== undefined && { order_id: text(body.order_id) }) })
    return typeof back === 'string' ? sharingError(back) : returned(back)
  }, { body: ['sub_mchid!', 'order_id', 'out_order_no', 'out_return_no!', 'return_mchid!', 'amount!#', 'description!', 'transaction_id'] })
  route('GET', `${base}/returnorders`, ({ query }) => {
    const back = sharing.findReturn(query.out_return_no as string, query.sub_mchid as string)
    return back ? returned(back) : refuse(404, 'RESOURCE_NOT_EXISTS', '记录不存在', 268512771)
  }, { query: ['sub_mchid', 'out_return_no'] })

  // ---- Refunds: as in /v3/refund, with different field names.
  const STATUS: Readonly<Record<string, string>> = { CLOSED: 'CLOSE' }
  const refundAnswer = (refund: Refund): Json => {
    const { amount, status, promotion_detail: promotion, ...rest } = refundJson(refund)
    const { refund: fee, from, payer_refund: payerRefund, discount_refund: discount, currency } = object(amount)
    return { ...Object.fromEntries(Object.entries(rest)), status: STATUS[text(status)] ?? status, amount: { refund: fee, from, payer_refund: payerRefund, discount_refund: discount, currency }, promotion_detail: promotion, refund_account: 'REFUND_SOURCE_SUB_MERCHANT' }
  }

  route('POST', '/v3/ecommerce/refunds/apply', ({ body }) => {
    const problem = notAuthorized(body.sub_mchid)
    if (problem) return problem
    const made = refundProblem(state, orders, refunds, body, text(body.sub_mchid))
    if ('inner' in made) return made
    const refund = 'refund' in made ? made.refund : refunds.add(made.order, { number: text(body.out_refund_no), fee: made.fee, reason: text(body.reason), notifyUrl: text(body.notify_url), account: '', v3: true })
    const { refund_id: id, out_refund_no: number, create_time: at, amount, promotion_detail: promotion, refund_account: account } = refundAnswer(refund)
    return { refund_id: id, out_refund_no: number, create_time: at, amount, promotion_detail: promotion, refund_account: account }
  }, { body: ['individual_auth_id', 'sub_mchid', 'sp_appid!', 'sub_appid', 'combine_mchid', 'combine_out_trade_no', 'combine_transaction_id', 'transaction_id', 'out_trade_no', 'out_refund_no!', 'reason', 'amount!', 'amount/refund!#', 'amount/total!#', 'notify_url', 'refund_account', 'funds_account'] })

  for (const [path, find] of [['id/:number', (number: string) => refunds.byId(number)], ['out-refund-no/:number', (number: string) => state.refunds.get(number)]] as const) {
    route('GET', `/v3/ecommerce/refunds/${path}`, ({ params }) => {
      const refund = find(params.number as string)
      return refund ? refundAnswer(refund) : refuse(404, 'RESOURCE_NOT_EXISTS', '退款单不存在', 268512771)
    })
  }
  route('POST', '/v3/ecommerce/refunds/:id/apply-abnormal-refund', ({ params, body }) => {
    const refund = refunds.byId(params.id as string)
    if (refund?.out_refund_no !== body.out_refund_no || !refund) return refuse(404, 'RESOURCE_NOT_EXISTS', '退款单不存在', 268512771)
    if (refund.refund_status !== 'CHANGE') return refuse(400, 'INVALID_REQUEST', '退款单状态不是退款异常')
    refunds.again(refund)
    return refundAnswer(refund)
  }, { body: ['sub_mchid', 'individual_auth_id', 'out_refund_no!', 'type!', 'bank_type', 'bank_account', 'real_name'], encrypted: ['bank_account', 'real_name'] })
}
