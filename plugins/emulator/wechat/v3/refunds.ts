/** /v3/refund/domestic/refunds. */
import type { V2Orders } from '../v2/orders.ts'
import type { V2Refunds } from '../v2/refunds.ts'
import { chinaTime, rfc3339 } from '../../state/state.ts'
import type { Order, Refund, State } from '../../state/state.ts'
import type { V3Register } from './check-request.ts'
import { object, text } from './shape.ts'
import type { Json } from './shape.ts'
import { refuse } from './wire.ts'
import type { V3Error } from './wire.ts'

const YEAR = 365 * 86_400_000
const MOST = 50
const STATES = { PROCESSING: 'PROCESSING', SUCCESS: 'SUCCESS', REFUNDCLOSE: 'CLOSED', CHANGE: 'ABNORMAL' } as const

/** The existing refund with this number, or the order to refund, or an error. */
export function refundProblem (state: State, orders: V2Orders, refunds: V2Refunds, body: Json, sub: string): V3Error | { refund: Refund } | { order: Order, fee: number } {
  const number = text(body.out_refund_no)
  const { refund: fee, total } = object(body.amount) as { refund?: number, total?: number }
  if (!/^[0-9A-Za-z_\-|*@]{1,64}$/.test(number)) return refuse(400, 'PARAM_ERROR', '参数错误：out_refund_no', 268435464)
  if (fee === undefined || total === undefined || fee < 1 || fee > total) return refuse(400, 'PARAM_ERROR', '退款金额错误', 268435464)
  const order = orders.named({ ...(body.transaction_id !== undefined && { transaction_id: text(body.transaction_id) }), ...(body.out_trade_no !== undefined && { out_trade_no: text(body.out_trade_no) }) }, sub)
  if (!order) return refuse(404, 'RESOURCE_NOT_EXISTS', '订单不存在', 268512771)
  if (order.transaction_id === '') return refuse(400, 'INVALID_REQUEST', order.trade_state === 'CLOSED' ? '订单已关闭' : '订单未支付', 268435461)
  const before = state.refunds.get(number)
  if (before) {
    return before.refund_fee === fee && before.total_fee === total && before.transaction_id === order.transaction_id
      ? { refund: before }
      : refuse(400, 'INVALID_REQUEST', '订单金额或退款金额与之前请求不一致，请核实后再试', 268498688)
  }
  if (total !== order.total_fee) return refuse(400, 'INVALID_REQUEST', '订单金额或退款金额与之前请求不一致，请核实后再试', 268435461)
  if (chinaTime(state.now() - YEAR) > order.time_end) return refuse(400, 'INVALID_REQUEST', '订单已经超过可退款的最大期限', 268435461)
  const left = refunds.left(order)
  if (left <= 0) return refuse(400, 'INVALID_REQUEST', '订单已全额退款', 268435461)
  if (fee > left) return refuse(400, 'INVALID_REQUEST', '申请退款金额大于订单可退金额', 268435461)
  if (refunds.count(order) >= MOST) return refuse(400, 'INVALID_REQUEST', '部分退款次数超过50次', 268435461)
  if (fee > state.balance) return refuse(403, 'NOT_ENOUGH', '基本账户余额不足，请充值后重新发起', 268435461)
  return { order, fee }
}

export function v3Refunds (route: V3Register, state: State, orders: V2Orders, refunds: V2Refunds): void {
  route('POST', '/v3/refund/domestic/refunds', ({ body }) => {
    const outcome = refundProblem(state, orders, refunds, body, text(body.sub_mchid))
    if ('inner' in outcome) return outcome
    if ('refund' in outcome) return refundJson(outcome.refund)
    return refundJson(refunds.add(outcome.order, { number: text(body.out_refund_no), fee: outcome.fee, reason: text(body.reason), notifyUrl: text(body.notify_url), account: body.funds_account === 'AVAILABLE' ? 'REFUND_SOURCE_RECHARGE_FUNDS' : '', v3: true }))
  }, { body: ['sub_mchid', 'transaction_id', 'out_trade_no', 'out_refund_no!', 'reason', 'notify_url', 'funds_account', 'amount!', 'amount/refund!#', 'amount/total!#', 'goods_detail'] })

  route('GET', '/v3/refund/domestic/refunds/:number', ({ params }) => {
    const refund = state.refunds.get(params.number as string)
    return refund ? refundJson(refund) : refuse(404, 'RESOURCE_NOT_EXISTS', '退款单不存在', 268512771)
  })

  route('POST', '/v3/refund/domestic/refunds/:id/apply-abnormal-refund', ({ params, body }) => {
    const refund = refunds.byId(params.id as string)
    if (refund?.out_refund_no !== body.out_refund_no || !refund) return refuse(404, 'RESOURCE_NOT_EXISTS', '退款单不存在', 268512771)
    if (refund.refund_status !== 'CHANGE') return refuse(400, 'INVALID_REQUEST', '退款单状态不是退款异常', 268435461)
    refunds.again(refund)
    return refundJson(refund)
  }, { body: ['sub_mchid', 'out_refund_no!', 'type!', 'bank_type', 'bank_account', 'real_name'], encrypted: ['bank_account', 'real_name'] })
}

/** Members in alphabetical order (seen six times). */
export function refundJson (refund: Refund): Json {
  return {
    amount: { currency: 'CNY', discount_refund: 0, from: [], payer_refund: refund.refund_fee, payer_total: refund.total_fee, refund: refund.refund_fee, refund_fee: 0, settlement_refund: refund.refund_fee, settlement_total: refund.total_fee, total: refund.total_fee },
    channel: 'ORIGINAL',
    create_time: rfc3339(chinaTime(refund.created_at)),
    funds_account: 'AVAILABLE',
    out_refund_no: refund.out_refund_no,
    out_trade_no: refund.out_trade_no,
    promotion_detail: [],
    refund_id: refund.refund_id,
    status: STATES[refund.refund_status],
    ...(refund.success_time && { success_time: `${refund.success_time.replace(' ', 'T')}+08:00` }),
    transaction_id: refund.transaction_id,
    user_received_account: '支付用户零钱'
  }
}

/** A notification calls the state refund_status, has fewer members, and a different order (seen three times). */
export function refundMessage (refund: Refund, mchid: string, subMchId: string): Json {
  return {
    ...(subMchId === '' ? { mchid } : { sp_mchid: mchid, sub_mchid: subMchId }),
    out_trade_no: refund.out_trade_no,
    transaction_id: refund.transaction_id,
    out_refund_no: refund.out_refund_no,
    refund_id: refund.refund_id,
    refund_status: STATES[refund.refund_status],
    ...(refund.success_time && { success_time: `${refund.success_time.replace(' ', 'T')}+08:00` }),
    amount: { total: refund.total_fee, refund: refund.refund_fee, payer_total: refund.total_fee, payer_refund: refund.refund_fee },
    user_received_account: '支付用户零钱'
  }
}
