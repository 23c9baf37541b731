/** Converts v3's orders and refunds to the version-neutral types: WeChat Pay APIv3 documentation, "Query an order" and "Query a refund". */
import { isOwnAppId } from '../merchant.ts'
import type { MerchantIds } from '../merchant.ts'
import type { OrderState, Payment, UnpaidOrder } from '../order.ts'
import type { Refund, RefundState } from '../refund.ts'

export type Json = Record<string, unknown>

const isFen = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''
const object = (value: unknown): Json => value !== null && typeof value === 'object' ? value as Json : {}

/** WeChat's own fields, each as text: strings unchanged, everything else as JSON. */
export function rawOf (json: Json): Readonly<Record<string, string>> {
  const raw: Record<string, string> = {}
  for (const name of Object.keys(json)) {
    const value = json[name]
    raw[name] = typeof value === 'string' ? value : JSON.stringify(value)
  }
  return raw
}

/** Parses RFC 3339 with an offset; undefined for anything else. */
function timeOf (value: unknown): Date | undefined {
  const date = isText(value) && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:[+-]\d\d:\d\d|Z)$/.test(value) ? new Date(value) : undefined
  return date && !Number.isNaN(date.getTime()) ? date : undefined
}

/** The ids in an order: a direct merchant's or, in service provider mode, the provider's and the sub-merchant's. */
export function belongs (json: Json, appId: string, merchant: MerchantIds): boolean {
  return (json.sp_mchid ?? json.mchid) === merchant.mchId && isOwnAppId(json.sp_appid ?? json.appid, appId, merchant) &&
    (merchant.subMchId === undefined || json.sub_mchid === merchant.subMchId) && !isForeign(json, appId, merchant)
}

/** The names of ids in all kinds of messages. */
const MERCHANT = ['mchid', 'mch_id', 'sp_mchid', 'combine_mchid'] as const
const ACCOUNT = ['appid', 'sp_appid', 'combine_appid'] as const
const SUB_MERCHANT = ['sub_mchid', 'sub_mch_id'] as const

/** Whether any id in it is not ours. A message without ids is ours because it was encrypted with our key. */
export function isForeign (json: Json, appId: string, merchant: MerchantIds): boolean {
  const { mchId, subMchId } = merchant
  const other = (names: readonly string[], own: string) => names.some(name => json[name] !== undefined && json[name] !== own)
  return other(MERCHANT, mchId) || ACCOUNT.some(name => json[name] !== undefined && !isOwnAppId(json[name], appId, merchant)) || (subMchId !== undefined && other(SUB_MERCHANT, subMchId))
}

/**
 * Whether it is a profit-sharing notification, recognized by its contents: event_type is TRANSACTION.SUCCESS in WeChat's current documents and in practice,
 * PROFITSHARING and PROFITSHARING.SUCCESS in older ones. It goes to the receiver of the money and names the merchant who shares it.
 */
export const isSharing = ({ receiver, order_id: orderId, out_order_no: number }: Json): boolean => isText(orderId) && isText(number) && receiver !== null && typeof receiver === 'object'

/** Whether a profit-sharing notification is for us: then it may name another merchant. */
export function isReceiver (json: Json, { mchId }: Pick<MerchantIds, 'mchId'>): boolean {
  const { type, account } = object(json.receiver)
  return isSharing(json) && type === 'MERCHANT_ID' && account === mchId
}

/** Reads an order in any state. Undefined if it is invalid. */
export function asOrder (json: Json): Payment | UnpaidOrder | undefined {
  const { out_trade_no: outTradeNo, trade_state: state } = json
  const appId = json.sp_appid ?? json.appid
  const mchId = json.sp_mchid ?? json.mchid
  if (!isText(outTradeNo) || !isText(appId) || !isText(mchId)) return undefined
  if (state === 'SUCCESS' || state === 'REFUND') return asPayment(json, state, { outTradeNo, appId, mchId })
  if (!UNPAID.has(state as string)) return undefined
  return { outTradeNo, state: state as UnpaidOrder['state'], appId, mchId, raw: rawOf(json) }
}

const UNPAID: ReadonlySet<string> = new Set(['NOTPAY', 'CLOSED', 'REVOKED', 'USERPAYING', 'PAYERROR'] satisfies OrderState[])

function asPayment (json: Json, state: Payment['state'], ids: Pick<Payment, 'outTradeNo' | 'appId' | 'mchId'>): Payment | undefined {
  const { transaction_id: transactionId, trade_type: tradeType, attach, sub_mchid: subMchId, sub_appid: subAppId } = json
  const { total, payer_total: payerTotal = total, currency = 'CNY' } = object(json.amount)
  const payer = object(json.payer)
  const openid = payer.sp_openid ?? payer.openid ?? payer.sub_openid
  const paidAt = timeOf(json.success_time)
  if (!isText(transactionId) || !/^\d{1,32}$/.test(transactionId) || !isFen(total) || !isFen(payerTotal) || !isText(currency) || !isText(openid) || !paidAt) return undefined
  return {
    ...ids,
    transactionId,
    state,
    amount: total,
    payerAmount: payerTotal,
    currency,
    openid,
    ...(isText(subMchId) && { subMchId }),
    ...(isText(subAppId) && { subAppId }),
    ...(isText(payer.sub_openid) && { subOpenid: payer.sub_openid }),
    tradeType: isText(tradeType) ? tradeType : '',
    attach: isText(attach) ? attach : '',
    paidAt,
    raw: rawOf(json)
  }
}

/** Reads the payments of a combined order, one for each of its orders. Undefined if any is invalid. */
export function asCombined (json: Json): Payment[] | undefined {
  const parts = Array.isArray(json.sub_orders) ? json.sub_orders.map(object) : []
  const payments = parts.map(part => {
    const { total_amount: total, payer_amount: payerTotal, currency } = object(part.amount)
    const ids = { outTradeNo: part.out_trade_no as string, appId: json.combine_appid as string, mchId: part.mchid as string }
    return part.trade_state === 'SUCCESS' && isText(ids.outTradeNo)
      ? asPayment({ ...part, amount: { total, payer_total: payerTotal, currency }, payer: json.combine_payer_info }, 'SUCCESS', ids)
      : undefined
  })
  return payments.length > 0 && !payments.includes(undefined) ? payments as Payment[] : undefined
}

const REFUND_STATES: ReadonlySet<string> = new Set(['PROCESSING', 'SUCCESS', 'CLOSED', 'ABNORMAL'] satisfies RefundState[])

/** Reads a refund from an answer (`status`) or a notification (`refund_status`). Undefined if it is invalid. */
export function asRefund (json: Json, { mchId }: Pick<MerchantIds, 'mchId'>): Refund | undefined {
  const { out_refund_no: outRefundNo, refund_id: refundId, out_trade_no: outTradeNo, transaction_id: transactionId, sub_mchid: subMchId } = json
  const state = json.refund_status ?? json.status
  const { refund, total, payer_refund: payerRefund } = object(json.amount)
  if (![outRefundNo, refundId, outTradeNo, transactionId].every(isText) || !REFUND_STATES.has(state as string) || !isFen(refund) || !isFen(total)) return undefined
  const succeededAt = timeOf(json.success_time)
  return {
    outRefundNo: outRefundNo as string,
    refundId: refundId as string,
    outTradeNo: outTradeNo as string,
    transactionId: transactionId as string,
    state: state as RefundState,
    amount: refund,
    total,
    ...(isFen(payerRefund) && { payerAmount: payerRefund }),
    receivedBy: isText(json.user_received_account) ? json.user_received_account : '',
    ...(succeededAt && { succeededAt }),
    mchId,
    ...(isText(subMchId) && { subMchId }),
    raw: rawOf(json)
  }
}
