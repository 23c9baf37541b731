/** An order and a payment as the host sees them: the same for v2 and v3. Money is integer fen, ids are strings. */
import { isIP } from 'node:net'
import { WechatInputError } from '../errors.ts'
import { OPENID } from '../official-account/oauth.ts'

export interface Order {
  /** The merchant's number of the order, one per order for ever: 1 to 32 of `0-9 A-Z a-z _ - | * @`. (APIv3 wants 6 or more, and no `@`.) */
  outTradeNo: string
  /** What the payer reads: 1 to 127 bytes of UTF-8. */
  description: string
  /** Integer fen. */
  amount: number
  /** Comes back with the payment: at most 127 bytes of UTF-8. */
  attach?: string
  /** After this moment the order cannot be paid. Default: seven days. */
  expiresAt?: Date
  /** The payer's IP address. The pay route fills it in from the request; H5 orders need it. */
  clientIp?: string
  /** The terminal or shop that sells, at most 32 characters. */
  deviceInfo?: string
  /** Marks the order for a coupon campaign, at most 32 characters. */
  goodsTag?: string
  /** Refuse credit cards (v2's limit_pay=no_credit; APIv3 offers it only to some merchants). */
  noCredit?: boolean
  /** Keep the money frozen for profit sharing. */
  profitSharing?: boolean
  /** Show the payer the entrance to an electronic invoice. */
  supportFapiao?: boolean
}

export interface JsapiOrder extends Order {
  /** Who pays: the visitor's openid under this appId (in service provider mode: under `merchant.subAppId`, if that is given). */
  openid: string
}

export interface NativeOrder extends Order {
  /** The merchant's number of the article, at most 32 characters. Default: the order's number. */
  productId?: string
}

export interface H5Order extends Order {
  clientIp: string
  /** Where the browser goes when the payer comes back from WeChat; its host is registered with WeChat Pay. */
  redirectUrl?: string
  /** What kind of page or app asks. Default: a web page. */
  scene?: { type: 'Wap', wapUrl?: string, wapName?: string } | { type: 'IOS', appName: string, bundleId: string } | { type: 'Android', appName: string, packageName: string }
}

export interface MicropayOrder extends Order {
  /** What the scanner read from the payer's phone: 18 digits that begin with 10 to 15. */
  authCode: string
}

export type OrderState = 'SUCCESS' | 'REFUND' | 'NOTPAY' | 'CLOSED' | 'REVOKED' | 'USERPAYING' | 'PAYERROR'

/** An order that was paid: from a notification or a query alike. */
export interface Payment {
  outTradeNo: string
  transactionId: string
  /** `REFUND` if some of it has been given back since. */
  state: 'SUCCESS' | 'REFUND'
  /** Integer fen: the order's amount. */
  amount: number
  /** Integer fen: what the payer gave after coupons. */
  payerAmount: number
  /** Three letters, CNY as a rule. */
  currency: string
  /** Who paid, under `appId`. */
  openid: string
  appId: string
  mchId: string
  /** In service provider mode: for whom the money is, and who paid under their appid. */
  subMchId?: string
  subAppId?: string
  subOpenid?: string
  /** JSAPI, NATIVE, APP, MWEB (v3: H5), MICROPAY … */
  tradeType: string
  /** '' if the order had none. */
  attach: string
  paidAt: Date
  /** WeChat's own fields, as received. */
  raw: Readonly<Record<string, string>>
}

/** An order that is not paid (yet). */
export interface UnpaidOrder {
  outTradeNo: string
  state: Exclude<OrderState, 'SUCCESS' | 'REFUND'>
  appId: string
  mchId: string
  raw: Readonly<Record<string, string>>
}

const OUT_TRADE_NO = /^[0-9A-Za-z_\-|*@]{1,32}$/

/** WeChat's amounts are 32-bit integers. */
const MAX_AMOUNT = 2 ** 31 - 1

/** @throws WechatInputError before anything goes to WeChat */
export function checkOutTradeNo (value: unknown): string {
  if (typeof value !== 'string' || !OUT_TRADE_NO.test(value)) throw new WechatInputError('outTradeNo', 'must be 1 to 32 of 0-9 A-Z a-z _ - | * @')
  return value
}

/** @throws WechatInputError for anything but integer fen above zero */
export function checkAmount (value: unknown, field = 'amount'): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > MAX_AMOUNT) {
    throw new WechatInputError(field, 'must be an integer number of fen, 1 or more')
  }
  return value
}

/** Text that arrives at WeChat as it is, or not at all. */
export function checkText (field: string, value: unknown, maxBytes: number): string {
  if (typeof value !== 'string' || value === '') throw new WechatInputError(field, 'must be a text')
  // Lone surrogates would become question marks, control characters cannot be written in XML.
  if (!value.isWellFormed() || /[\0-\x1f\x7f\ufffe\uffff]/.test(value)) throw new WechatInputError(field, 'holds a character that cannot be sent')
  if (Buffer.byteLength(value) > maxBytes) throw new WechatInputError(field, `is longer than ${maxBytes} bytes`)
  return value
}

/** @throws WechatInputError naming the field */
export function checkOrder<T extends Order> (order: T): T {
  if (order === null || typeof order !== 'object') throw new WechatInputError('order', 'is missing')
  checkOutTradeNo(order.outTradeNo)
  checkAmount(order.amount)
  checkText('description', order.description, 127)
  if (order.attach !== undefined && order.attach !== '') checkText('attach', order.attach, 127)
  if (order.clientIp !== undefined && !isIP(order.clientIp)) throw new WechatInputError('clientIp', 'must be an IP address')
  for (const field of ['deviceInfo', 'goodsTag'] as const) if (order[field] !== undefined) checkText(field, order[field], 32)
  if (order.expiresAt !== undefined && !(order.expiresAt instanceof Date && order.expiresAt.getTime() > Date.now())) {
    throw new WechatInputError('expiresAt', 'must be a Date in the future')
  }
  return order
}

export function checkTransactionId (value: unknown): string {
  if (typeof value !== 'string' || !/^\d{1,32}$/.test(value)) throw new WechatInputError('transactionId', 'must be a string of digits')
  return value
}

/** The digits that a payer's phone shows at the till. */
export function checkAuthCode (value: unknown): string {
  if (typeof value !== 'string' || !/^1[0-5]\d{16}$/.test(value)) throw new WechatInputError('authCode', 'must be the 18 digits of a payment code')
  return value
}

export function checkOpenid (value: unknown): string {
  if (typeof value !== 'string' || !OPENID.test(value)) throw new WechatInputError('openid', 'must be the payer\'s openid')
  return value
}

/** The page or app that an H5 payment starts from; how its address and its name are called differs from version to version. */
export function h5Info ({ scene = { type: 'Wap' } }: H5Order, wapUrl: string, wapName: string): Record<string, string> {
  const { type, ...rest } = scene
  const names = { wapUrl, wapName, appName: 'app_name', bundleId: 'bundle_id', packageName: 'package_name' }
  return { type, ...Object.fromEntries(Object.entries(rest).map(([name, value]) => [names[name as keyof typeof names], value])) }
}
