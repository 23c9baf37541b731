/** Converts v2's refund fields to the version-neutral type: WeChat Pay v2 documentation, "Request a refund", "Query refunds" and "Refund result notification". */
import { fromChinaTime } from '../china-time.ts'
import type { MerchantIds } from '../merchant.ts'
import type { Refund, RefundState } from '../refund.ts'
import { FEN } from './payment.ts'
import type { Fields } from './xml.ts'

const STATES: Readonly<Record<string, RefundState>> = { SUCCESS: 'SUCCESS', PROCESSING: 'PROCESSING', REFUNDCLOSE: 'CLOSED', CHANGE: 'ABNORMAL' }

const GRAMMAR: Readonly<Record<string, RegExp>> = {
  out_refund_no: /^[0-9A-Za-z_\-|*@]{1,64}$/,
  refund_id: /^\d{1,32}$/,
  out_trade_no: /^[0-9A-Za-z_\-|*@]{1,32}$/,
  transaction_id: /^\d{1,32}$/,
  refund_fee: FEN,
  total_fee: FEN,
  cash_refund_fee: /^(?:0|[1-9]\d{0,9})?$/
}

/** Undefined if a field of a refund is missing or malformed. `raw`: the whole answer. */
export function asRefund (fields: Fields, state: string, { mchId, subMchId }: Pick<MerchantIds, 'mchId' | 'subMchId'>, raw: Fields = fields): Refund | undefined {
  const odd = Object.entries(GRAMMAR).some(([name, form]) => !form.test(fields[name] ?? ''))
  const known = STATES[state]
  if (odd || !known) return undefined
  const has = fields as Record<'out_refund_no' | 'refund_id' | 'out_trade_no' | 'transaction_id' | 'refund_fee' | 'total_fee', string>
  const succeededAt = fromChinaTime(fields.refund_success_time ?? fields.success_time ?? '')
  return {
    outRefundNo: has.out_refund_no,
    refundId: has.refund_id,
    outTradeNo: has.out_trade_no,
    transactionId: has.transaction_id,
    state: known,
    amount: Number(has.refund_fee),
    total: Number(has.total_fee),
    ...(fields.cash_refund_fee && { payerAmount: Number(fields.cash_refund_fee) }),
    receivedBy: fields.refund_recv_accout ?? '',
    ...(succeededAt && { succeededAt }),
    mchId,
    ...(subMchId && { subMchId }),
    raw
  }
}

/**
 * Converts WeChat's flat lists to arrays: `out_refund_no_0`, `coupon_refund_id_0_1` and so on become one record for each
 * first index, without that index in its names.
 */
export function foldIndexed (fields: Fields): Fields[] {
  const items: Fields[] = []
  for (const [name, value] of Object.entries(fields)) {
    const [, base, index, deeper = ''] = /^([a-z]+(?:_[a-z]+)*)_(\d{1,3})((?:_\d{1,3})?)$/.exec(name) ?? []
    if (base === undefined) continue
    const item = items[Number(index)] ??= Object.create(null) as Fields
    item[base + deeper] = value
  }
  return items.filter(Boolean)
}
