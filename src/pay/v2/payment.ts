/** v2's fields of an order, read into the version-neutral types; each known field keeps to its own grammar. */
import { fromCompactChinaTime } from '../china-time.ts'
import type { OrderState, Payment, UnpaidOrder } from '../order.ts'
import type { Fields } from './xml.ts'

/** As WeChat writes amounts: a leading zero is nobody's. */
export const FEN = /^(?:0|[1-9]\d{0,9})$/
const GRAMMAR: ReadonlyMap<string, RegExp> = new Map(Object.entries({
  return_code: /^(?:SUCCESS|FAIL)$/,
  result_code: /^(?:SUCCESS|FAIL)$/,
  mch_id: /^\d{1,32}$/,
  nonce_str: /^[0-9A-Za-z]{1,32}$/,
  openid: /^[0-9A-Za-z_-]{1,128}$/,
  sub_mch_id: /^\d{1,32}$/,
  sub_openid: /^[0-9A-Za-z_-]{1,128}$/,
  is_subscribe: /^[YN]$/,
  trade_type: /^[A-Z0-9]{1,16}$/,
  trade_state: /^[A-Z]{1,32}$/,
  bank_type: /^[A-Z0-9_]{1,32}$/,
  total_fee: FEN,
  settlement_total_fee: FEN,
  cash_fee: FEN,
  coupon_fee: FEN,
  coupon_count: /^\d{1,3}$/,
  fee_type: /^[A-Z]{3}$/,
  cash_fee_type: /^[A-Z]{3}$/,
  transaction_id: /^\d{1,32}$/,
  out_trade_no: /^[0-9A-Za-z_\-|*@]{1,32}$/,
  time_end: /^\d{14}$/
}))

/** What the payer or the merchant wrote: may hold any character, `&` too. */
const FREE_TEXT = new Set(['attach'])

/**
 * The name of the first field that cannot have come from WeChat; undefined if all could.
 * The signed text joins fields with `&` unescaped, so a value that may hold one can be cut into other fields with the
 * signature still right. Here only `attach` may; any other cut leaves an `&` where none belongs.
 */
export function oddField (fields: Fields): string | undefined {
  for (const name in fields) {
    const value = fields[name] as string
    if (value === '' || FREE_TEXT.has(name)) continue
    // No form of a known field has room for an ampersand.
    const form = GRAMMAR.get(name)
    if (form ? !form.test(value) : value.includes('&')) return name
  }
}

const PAID = ['transaction_id', 'openid', 'total_fee', 'time_end', 'out_trade_no'] as const

/** Undefined if a field that a paid order has is missing or makes no sense. */
export function asPayment (fields: Fields, state: Payment['state']): Payment | undefined {
  const paidAt = fromCompactChinaTime(fields.time_end ?? '')
  if (!paidAt || PAID.some(name => !fields[name])) return undefined
  const has = fields as Record<(typeof PAID)[number] | 'appid' | 'mch_id', string>
  return {
    outTradeNo: has.out_trade_no,
    transactionId: has.transaction_id,
    state,
    amount: Number(has.total_fee),
    payerAmount: Number(fields.cash_fee || has.total_fee),
    currency: fields.fee_type || 'CNY',
    openid: has.openid,
    appId: has.appid,
    mchId: has.mch_id,
    ...(fields.sub_mch_id && { subMchId: fields.sub_mch_id }),
    ...(fields.sub_appid && { subAppId: fields.sub_appid }),
    ...(fields.sub_openid && { subOpenid: fields.sub_openid }),
    tradeType: fields.trade_type ?? '',
    attach: fields.attach ?? '',
    paidAt,
    raw: fields
  }
}

const UNPAID: ReadonlySet<string> = new Set(['NOTPAY', 'CLOSED', 'REVOKED', 'USERPAYING', 'PAYERROR'] satisfies OrderState[])

/** An answer of orderquery. Undefined if it makes no sense. */
export function asOrder (fields: Fields): Payment | UnpaidOrder | undefined {
  const { trade_state: state = '', out_trade_no: outTradeNo, appid: appId, mch_id: mchId } = fields
  if (state === 'SUCCESS' || state === 'REFUND') return asPayment(fields, state)
  if (!UNPAID.has(state) || !outTradeNo) return undefined
  return { outTradeNo, state: state as UnpaidOrder['state'], appId: appId as string, mchId: mchId as string, raw: fields }
}
