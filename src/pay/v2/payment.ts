/** Converts v2's order fields to the version-neutral types; checks the format of each known field. */
import { fromCompactChinaTime } from '../china-time.ts'
import type { OrderState, Payment, UnpaidOrder } from '../order.ts'
import type { Fields } from './xml.ts'

/** WeChat's format of amounts: no leading zero. */
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

/** Free text from the payer or the merchant: may contain any character, including `&`. */
const FREE_TEXT = new Set(['attach'])

/**
 * Returns the name of the first field that cannot be WeChat's; undefined if all can.
 * The signed text joins fields with an unescaped `&`, so a value that may contain one can be split into other fields with the
 * signature still valid. Here only `attach` may contain one; any other split leaves an `&` where none is allowed.
 */
export function oddField (fields: Fields, names: readonly string[] = Object.keys(fields)): string | undefined {
  for (const name of names) {
    const value = fields[name] as string
    if (value === '' || FREE_TEXT.has(name)) continue
    // No other known field's format allows an ampersand.
    const form = GRAMMAR.get(name)
    if (form ? !form.test(value) : value.includes('&')) return name
  }
}

const PAID = ['transaction_id', 'openid', 'total_fee', 'time_end', 'out_trade_no'] as const

/** Undefined if a field of a paid order is missing or invalid. */
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

/** Reads an answer of orderquery. Undefined if it is invalid. */
export function asOrder (fields: Fields): Payment | UnpaidOrder | undefined {
  const { trade_state: state = '', out_trade_no: outTradeNo, appid: appId, mch_id: mchId } = fields
  if (state === 'SUCCESS' || state === 'REFUND') return asPayment(fields, state)
  if (!UNPAID.has(state) || !outTradeNo) return undefined
  return { outTradeNo, state: state as UnpaidOrder['state'], appId: appId as string, mchId: mchId as string, raw: fields }
}
