/** /v3/refund/domestic/refunds. */
import type { V2Orders } from '../v2/orders.ts'
import type { V2Refunds } from '../v2/refunds.ts'
import { chinaTime, rfc3339 } from '../../state/world.ts'
import type { Refund, World } from '../../state/world.ts'
import type { Json, V3Gate } from './gate.ts'
import { refuse } from './wire.ts'

const YEAR = 365 * 86_400_000
const MOST = 50
const STATES = { PROCESSING: 'PROCESSING', SUCCESS: 'SUCCESS', REFUNDCLOSE: 'CLOSED', CHANGE: 'ABNORMAL' } as const

export function v3Refunds (route: V3Gate, world: World, orders: V2Orders, refunds: V2Refunds): void {
  route('POST', '/v3/refund/domestic/refunds', ({ body }) => {
    const { out_refund_no: number, out_trade_no: outTradeNo, transaction_id: id, sub_mchid: sub = '', amount, notify_url: notifyUrl = '', reason = '', funds_account: account } = body as Record<string, string> & { amount?: { refund?: number, total?: number } }
    const { refund: fee = 0, total = 0 } = amount ?? {}
    if (!/^[0-9A-Za-z_\-|*@]{1,64}$/.test(number ?? '')) return refuse(400, 'PARAM_ERROR', '参数错误：out_refund_no', 268435464)
    if (!Number.isInteger(fee) || fee < 1 || fee > total) return refuse(400, 'PARAM_ERROR', '退款金额错误', 268435464)
    const order = orders.named({ ...(id && { transaction_id: id }), ...(outTradeNo && { out_trade_no: outTradeNo }) }, sub)
    if (!order) return refuse(404, 'RESOURCE_NOT_EXISTS', '订单不存在', 268512771)
    if (order.transaction_id === '') return refuse(400, 'INVALID_REQUEST', '订单未支付', 268435461)
    const before = world.refunds.get(number as string)
    if (before) {
      return before.refund_fee === fee && before.total_fee === total && before.transaction_id === order.transaction_id
        ? refundJson(before)
        : refuse(400, 'INVALID_REQUEST', '订单金额或退款金额与之前请求不一致，请核实后再试', 268498688)
    }
    if (total !== order.total_fee) return refuse(400, 'INVALID_REQUEST', '订单金额或退款金额与之前请求不一致，请核实后再试', 268435461)
    if (chinaTime(world.now() - YEAR) > order.time_end) return refuse(400, 'INVALID_REQUEST', '订单已经超过可退款的最大期限', 268435461)
    const left = refunds.left(order)
    if (left <= 0) return refuse(400, 'INVALID_REQUEST', '订单已全额退款', 268435461)
    if (fee > left) return refuse(400, 'INVALID_REQUEST', '申请退款金额大于订单可退金额', 268435461)
    if (refunds.count(order) >= MOST) return refuse(400, 'INVALID_REQUEST', '部分退款次数超过50次', 268435461)
    if (fee > world.balance) return refuse(403, 'NOT_ENOUGH', '基本账户余额不足，请充值后重新发起', 268435461)
    return refundJson(refunds.add(order, { number: number as string, fee, reason, notifyUrl, account: account === 'AVAILABLE' ? 'REFUND_SOURCE_RECHARGE_FUNDS' : '', v3: true }))
  }, { body: ['sub_mchid', 'transaction_id', 'out_trade_no', 'out_refund_no', 'reason', 'notify_url', 'funds_account', 'amount', 'goods_detail'] })

  route('GET', '/v3/refund/domestic/refunds/:number', ({ params }) => {
    const refund = world.refunds.get(params.number as string)
    return refund ? refundJson(refund) : refuse(404, 'RESOURCE_NOT_EXISTS', '退款单不存在', 268512771)
  })

  route('POST', '/v3/refund/domestic/refunds/:id/apply-abnormal-refund', ({ params, body }) => {
    const refund = [...world.refunds.values()].find(refund => refund.refund_id === params.id && refund.out_refund_no === body.out_refund_no)
    if (!refund) return refuse(404, 'RESOURCE_NOT_EXISTS', '退款单不存在', 268512771)
    if (refund.refund_status !== 'CHANGE') return refuse(400, 'INVALID_REQUEST', '退款单状态不是退款异常', 268435461)
    refund.refund_status = 'PROCESSING'
    return refundJson(refund)
  }, { body: ['sub_mchid', 'out_refund_no', 'type', 'bank_type', 'bank_account', 'real_name'], encrypted: ['bank_account', 'real_name'] })
}

function refundJson (refund: Refund): Json {
  return {
    refund_id: refund.refund_id,
    out_refund_no: refund.out_refund_no,
    transaction_id: refund.transaction_id,
    out_trade_no: refund.out_trade_no,
    channel: 'ORIGINAL',
    user_received_account: '支付用户零钱',
    ...(refund.success_time && { success_time: `${refund.success_time.replace(' ', 'T')}+08:00` }),
    create_time: rfc3339(chinaTime(refund.created_at)),
    status: STATES[refund.refund_status],
    funds_account: refund.refund_account === 'REFUND_SOURCE_RECHARGE_FUNDS' ? 'AVAILABLE' : 'UNSETTLED',
    amount: { total: refund.total_fee, refund: refund.refund_fee, payer_total: refund.total_fee, payer_refund: refund.refund_fee, settlement_refund: refund.refund_fee, settlement_total: refund.total_fee, discount_refund: 0, currency: 'CNY' }
  }
}

/** A notification spells the state otherwise, and leaves some out. */
export function refundNews (refund: Refund, mchid: string, subMchId: string): Json {
  const { refund_id: refundId, out_refund_no: number, transaction_id: id, out_trade_no: outTradeNo, status, success_time: at, user_received_account: account, amount } = refundJson(refund)
  const { total, refund: fee, payer_total: payerTotal, payer_refund: payerRefund } = amount as Json
  return {
    ...(subMchId === '' ? { mchid } : { sp_mchid: mchid, sub_mchid: subMchId }),
    transaction_id: id,
    out_trade_no: outTradeNo,
    refund_id: refundId,
    out_refund_no: number,
    refund_status: status,
    ...(at !== undefined && { success_time: at }),
    user_received_account: account,
    amount: { total, refund: fee, payer_total: payerTotal, payer_refund: payerRefund }
  }
}
