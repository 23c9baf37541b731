/** Refunds in your application: the same for v2 and v3. Money is integer fen, ids are strings. */
import { WechatInputError } from '../errors.ts'
import { checkAmount, checkOutTradeNo, checkText, checkTransactionId } from './order.ts'

interface RefundRequestBase {
  /**
   * The merchant's number of this refund, 1 to 64 of `0-9 A-Z a-z _ - | * @`. The same number again is the same refund;
   * a new number refunds the money a second time.
   */
  outRefundNo: string
  /** Integer fen: the amount to refund. */
  amount: number
  /** Integer fen: the order's amount. */
  total: number
  /** What the payer reads: at most 80 bytes of UTF-8. */
  reason?: string
  /** Where WeChat sends the result. Default: the merchant's `notifyUrl`. */
  notifyUrl?: string
  /** Take it from the available balance instead of the money not yet settled. */
  fromBalance?: boolean
}

export type RefundRequest = RefundRequestBase & ({ outTradeNo: string } | { transactionId: string })

export type RefundState = 'PROCESSING' | 'SUCCESS' | 'CLOSED' | 'ABNORMAL'

export interface Refund {
  outRefundNo: string
  /** WeChat's number of the refund. */
  refundId: string
  outTradeNo: string
  transactionId: string
  /** ABNORMAL: the payer's bank refused it; resolve it in WeChat Pay's console. */
  state: RefundState
  /** Integer fen. */
  amount: number
  /** Integer fen: the order's amount. */
  total: number
  /** Integer fen that the payer gets back, without coupons; undefined if WeChat does not say. */
  payerAmount?: number
  /** The receiving account, as WeChat describes it; '' if it does not say. */
  receivedBy: string
  /** When it arrived. */
  succeededAt?: Date
  mchId: string
  subMchId?: string
  /** WeChat's own fields, as received. */
  raw: Readonly<Record<string, string>>
}

const OUT_REFUND_NO = /^[0-9A-Za-z_\-|*@]{1,64}$/

/** @throws WechatInputError */
export function checkOutRefundNo (value: unknown): string {
  if (typeof value !== 'string' || !OUT_REFUND_NO.test(value)) throw new WechatInputError('outRefundNo', 'must be 1 to 64 of 0-9 A-Z a-z _ - | * @')
  return value
}

/** @throws WechatInputError naming the field, before anything goes to WeChat */
export function checkRefund (refund: RefundRequest): RefundRequest {
  if (refund === null || typeof refund !== 'object') throw new WechatInputError('refund', 'is missing')
  checkOutRefundNo(refund.outRefundNo)
  if ('transactionId' in refund) checkTransactionId(refund.transactionId)
  else checkOutTradeNo(refund.outTradeNo)
  checkAmount(refund.amount)
  checkAmount(refund.total, 'total')
  if (refund.amount > refund.total) throw new WechatInputError('amount', 'is more than the order\'s total')
  if (refund.reason !== undefined) checkText('reason', refund.reason, 80)
  if (refund.notifyUrl !== undefined && !/^https?:\/\/[^?#\s]+$/.test(refund.notifyUrl)) throw new WechatInputError('notifyUrl', 'must be an absolute http(s) URL without query')
  return refund
}
