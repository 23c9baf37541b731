/** refund and refundquery. */
import { businessFailed, callFailed } from '../wire.ts'
import type { Values } from '../wire.ts'
import { createScheduler } from '../../state/scheduler.ts'
import { chinaTime } from '../../state/state.ts'
import type { Order, Refund, State } from '../../state/state.ts'
import type { V2Register } from './check-request.ts'
import type { V2Orders } from './orders.ts'

const YEAR = 365 * 86_400_000
/** How many refunds one order may have. */
const MOST = 50
/** Refunds per page of refundquery. */
const PAGE = 10

export interface NewRefund { number: string, fee: number, reason: string, notifyUrl: string, account: string, v3: boolean }

/** `settled`: called when a refund has reached a final state. */
export function v2Refunds (route: V2Register, state: State, orders: V2Orders, settled: (refund: Refund) => void) {
  const scheduler = createScheduler(state)
  // Indexes, so that no lookup iterates over all refunds.
  const byId = new Map<string, Refund>()
  const byTransaction = new Map<string, Refund[]>()
  const index = (refund: Refund) => {
    byId.set(refund.refund_id, refund)
    const others = byTransaction.get(refund.transaction_id) ?? []
    others.push(refund)
    byTransaction.set(refund.transaction_id, others)
  }
  for (const refund of state.refunds.values()) index(refund)
  const ofOrder = (order: Order) => byTransaction.get(order.transaction_id) ?? []
  const refundedTotal = (order: Order) => ofOrder(order).filter(refund => refund.refund_status !== 'REFUNDCLOSE').reduce((sum, refund) => sum + refund.refund_fee, 0)

  route('/secapi/pay/refund', ({ fields, sub }): Values => {
    for (const name of ['out_refund_no', 'total_fee', 'refund_fee']) if (!fields[name]) return businessFailed('LACK_PARAMS', `缺少参数${name}`)
    if (!/^[0-9A-Za-z_\-|*@]{1,64}$/.test(fields.out_refund_no as string)) return businessFailed('PARAM_ERROR', '参数错误:out_refund_no')
    const [fee, total] = [Number(fields.refund_fee), Number(fields.total_fee)]
    if (!/^[1-9]\d{0,9}$/.test(fields.refund_fee as string) || fee > total) return callFailed('invalid refund_fee')
    const order = orders.named(fields, sub.sub_mch_id)
    if (!order) return businessFailed('ORDERNOTEXIST', '订单不存在')
    if (order.transaction_id === '') return order.trade_state === 'CLOSED' ? businessFailed('ERROR', '订单已关闭') : businessFailed('ORDERNOTEXIST', '订单不存在')
    const before = state.refunds.get(fields.out_refund_no as string)
    if (before) {
      return before.refund_fee === fee && before.total_fee === total && before.transaction_id === order.transaction_id
        ? answer(before)
        : businessFailed('REFUND_FEE_MISMATCH', '订单金额或退款金额与之前请求不一致，请核实后再试')
    }
    if (total !== order.total_fee) return businessFailed('REFUND_FEE_MISMATCH', '订单金额或退款金额与之前请求不一致，请核实后再试')
    if (chinaTime(state.now() - YEAR) > order.time_end) return businessFailed('TRADE_OVERDUE', '订单已经超过退款期限')
    const left = order.total_fee - refundedTotal(order)
    if (left <= 0) return businessFailed('ERROR', '订单已全额退款')
    if (fee > left) return businessFailed('INVALID_REQUEST', 'refund_fee大于可退金额')
    if (ofOrder(order).length >= MOST) return businessFailed('INVALID_REQUEST', '部分退款次数超过50次')
    if (fee > state.balance) return businessFailed('NOTENOUGH', '基本账户余额不足，请充值后重新发起')
    return answer(add(order, { number: fields.out_refund_no as string, fee, reason: fields.refund_desc ?? '', notifyUrl: fields.notify_url ?? '', account: fields.refund_account ?? '', v3: false }))
  }, { cert: true })

  function add (order: Order, { number, fee, reason, notifyUrl, account, v3 }: NewRefund): Refund {
    const refund: Refund = {
      out_refund_no: number,
      refund_id: `50${state.random.digits(4)}${chinaTime(state.now()).slice(0, 8)}${state.random.digits(14)}`,
      out_trade_no: order.out_trade_no,
      transaction_id: order.transaction_id,
      refund_fee: fee,
      total_fee: order.total_fee,
      reason,
      notify_url: notifyUrl,
      refund_account: account || 'REFUND_SOURCE_UNSETTLED_FUNDS',
      refund_status: 'PROCESSING',
      created_at: state.now(),
      success_time: '',
      v3
    }
    state.refunds.set(number, refund)
    index(refund)
    state.balance -= fee
    order.trade_state = 'REFUND'
    orders.note(order, `refund of ${fee} requested`)
    awaitEnd(refund)
    return refund
  }

  function awaitEnd (refund: Refund): void {
    scheduler.schedule(refund.out_refund_no, refund.created_at, state.refundDelay * 1000 * state.timeScale, () => {
      if (refund.refund_status === 'PROCESSING') settle(refund, 'SUCCESS')
    })
  }
  // Refunds that were being processed when the emulator stopped.
  for (const refund of state.refunds.values()) if (refund.refund_status === 'PROCESSING') awaitEnd(refund)

  function settle (refund: Refund, status: Exclude<Refund['refund_status'], 'PROCESSING'>): void {
    // Settling twice must not move the money twice.
    if ((status === 'REFUNDCLOSE') !== (refund.refund_status === 'REFUNDCLOSE')) state.balance += status === 'REFUNDCLOSE' ? refund.refund_fee : -refund.refund_fee
    refund.refund_status = status
    if (status === 'SUCCESS') refund.success_time = withSeparators(chinaTime(state.now()))
    const order = orders.byTransaction(refund.transaction_id)
    if (order) orders.changed(order)
    settled(refund)
  }

  function answer (refund: Refund): Values {
    return {
      result_code: 'SUCCESS',
      // WeChat sends these on success, too.
      err_code: 'SUCCESS',
      err_code_des: 'SUCCESS',
      transaction_id: refund.transaction_id,
      out_trade_no: refund.out_trade_no,
      out_refund_no: refund.out_refund_no,
      refund_id: refund.refund_id,
      refund_channel: null,
      refund_fee: refund.refund_fee,
      total_fee: refund.total_fee,
      cash_fee: refund.total_fee,
      cash_refund_fee: refund.refund_fee,
      coupon_refund_fee: 0,
      coupon_refund_count: 0
    }
  }

  route('/pay/refundquery', ({ fields, sub }): Values => {
    const one = state.refunds.get(fields.out_refund_no ?? '') ?? byId.get(fields.refund_id ?? '')
    const order = one ? orders.find(one.out_trade_no, sub.sub_mch_id) : fields.out_refund_no || fields.refund_id ? undefined : orders.named(fields, sub.sub_mch_id)
    const all = one ? [one] : order ? ofOrder(order) : []
    if (!order || all.length === 0) return businessFailed('REFUNDNOTEXIST', 'not exist')
    const offset = Number(fields.offset ?? 0)
    const page = all.slice(offset, offset + PAGE)
    return {
      result_code: 'SUCCESS',
      transaction_id: order.transaction_id,
      out_trade_no: order.out_trade_no,
      total_fee: order.total_fee,
      fee_type: order.fee_type,
      cash_fee: order.total_fee,
      total_refund_count: all.length,
      refund_count: page.length,
      ...Object.assign({}, ...page.map((refund, index) => ({
        [`out_refund_no_${index}`]: refund.out_refund_no,
        [`refund_id_${index}`]: refund.refund_id,
        [`refund_channel_${index}`]: 'ORIGINAL',
        [`refund_fee_${index}`]: refund.refund_fee,
        [`refund_status_${index}`]: refund.refund_status,
        [`refund_account_${index}`]: refund.refund_account,
        [`refund_recv_accout_${index}`]: '支付用户零钱',
        [`refund_success_time_${index}`]: refund.success_time
      })))
    }
  }, { isSorted: true })

  return {
    add,
    /** Retries an abnormal refund to another account. */
    again (refund: Refund): void {
      refund.refund_status = 'PROCESSING'
      awaitEnd(refund)
    },
    byId: (id: string) => byId.get(id),
    left: (order: Order) => order.total_fee - refundedTotal(order),
    count: (order: Order) => ofOrder(order).length,
    ofOrder,
    settle,
    /** Reverses the payment: the full amount, immediately. */
    giveBack: (order: Order) => { state.balance -= order.total_fee },
    close: scheduler.close
  }
}

/** `yyyyMMddHHmmss` as `yyyy-MM-dd HH:mm:ss`. */
export const withSeparators = (compact: string) => compact.replace(/^(....)(..)(..)(..)(..)(..)$/, '$1-$2-$3 $4:$5:$6')

export type V2Refunds = ReturnType<typeof v2Refunds>
