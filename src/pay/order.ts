/** An order and a payment as the host sees them: the same for v2 and v3. Money is integer fen, ids are strings. */
import { isIP } from 'node:net'
import { WechatInputError } from '../errors.ts'
import { OPENID } from '../official-account/oauth.ts'

export interface Order {
  /** The merchant's number of the order, one per order for ever: 1 to 32 of `0-9 A-Z a-z _ - | * @`. (APIv3 wants 6 or more, and no `@`.) */
  outTradeNo: string
  /** Where it is paid: one of `merchant.appIds`. Default: the account's own. */
  appId?: string
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
  /** Refuse credit cards, in v2: the same as `limitPay: ['no_credit']`. */
  noCredit?: boolean
  /** Ways to pay that are refused. v2 knows `no_credit` alone; APIv3 offers these only to some merchants. */
  limitPay?: LimitPay[]
  /** What is bought: for coupons that belong to single goods. */
  detail?: OrderDetail
  /** The shop that sells. APIv3 takes it only together with `clientIp`. */
  storeInfo?: StoreInfo
  /** Keep the money frozen for profit sharing. */
  profitSharing?: boolean
  /** Show the payer the entrance to an electronic invoice. */
  supportFapiao?: boolean
  /**
   * WeChat's own further fields that have no name here, by WeChat's names in the version that places the order:
   * `{ settle_info: { subsidy_amount: 10 } }` in APIv3, `{ version: '1.0' }` in v2 (texts and numbers only). Fields
   * that the order, the account or the signature already say are refused.
   */
  extra?: Readonly<Record<string, unknown>>
}

export type LimitPay = 'no_balance' | 'no_credit' | 'no_debit' | 'balance_only'

export interface OrderDetail {
  /** Integer fen: the price before the merchant's own discounts. */
  costPrice?: number
  /** The merchant's number of the receipt, at most 32 characters. */
  receiptId?: string
  /** One or more. */
  goods: Array<{
    /** The merchant's number of the article, at most 32 characters. */
    id: string
    /** WeChat Pay's number of the article. */
    wechatId?: string
    name?: string
    /** 1 or more. */
    quantity: number
    /** Integer fen: what one of them costs. */
    price: number
  }>
}

export interface StoreInfo {
  /** The merchant's own number of the shop, at most 32 characters. */
  id: string
  name?: string
  /** Six digits: the code of its district in China. */
  areaCode?: string
  address?: string
  /** WeChat Pay's number of the place. Used by APIv3's pay by code alone, instead of `id`. */
  placeId?: string
}

export interface JsapiOrder extends Order {
  /** Who pays: the visitor's openid under the order's appId (in service provider mode: under `merchant.subAppId`, if that is given). */
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
  if (order.limitPay !== undefined && !(Array.isArray(order.limitPay) && order.limitPay.length > 0 && order.limitPay.every(way => LIMITS.has(way)))) {
    throw new WechatInputError('limitPay', `must be a list of ${[...LIMITS].join(', ')}`)
  }
  if (order.detail !== undefined) checkDetail(order.detail)
  if (order.storeInfo !== undefined) checkStore(order.storeInfo)
  if (order.extra !== undefined) checkExtra('extra', order.extra)
  return order
}

const LIMITS: ReadonlySet<string> = new Set(['no_balance', 'no_credit', 'no_debit', 'balance_only'] satisfies LimitPay[])

function checkDetail (detail: OrderDetail): void {
  if (detail === null || typeof detail !== 'object' || !Array.isArray(detail.goods) || detail.goods.length === 0) throw new WechatInputError('detail.goods', 'must be a list of one or more')
  if (detail.costPrice !== undefined) checkAmount(detail.costPrice, 'detail.costPrice')
  if (detail.receiptId !== undefined) checkText('detail.receiptId', detail.receiptId, 32)
  detail.goods.forEach((article, at) => {
    const field = `detail.goods.${at}`
    if (article === null || typeof article !== 'object') throw new WechatInputError(field, 'must be an article')
    const { id, wechatId, name, quantity, price } = article
    checkText(`${field}.id`, id, 32)
    if (wechatId !== undefined) checkText(`${field}.wechatId`, wechatId, 32)
    if (name !== undefined) checkText(`${field}.name`, name, 256)
    if (!Number.isSafeInteger(quantity) || quantity < 1) throw new WechatInputError(`${field}.quantity`, 'must be an integer, 1 or more')
    checkAmount(price, `${field}.price`)
  })
}

function checkStore (store: StoreInfo): void {
  if (store === null || typeof store !== 'object') throw new WechatInputError('storeInfo', 'must be an object')
  checkText('storeInfo.id', store.id, 32)
  for (const [field, most] of [['name', 256], ['areaCode', 32], ['address', 512], ['placeId', 32]] as const) {
    if (store[field] !== undefined) checkText(`storeInfo.${field}`, store[field], most)
  }
}

/** Plain data by names as WeChat writes them: what is signed and compared is exactly this. */
function checkExtra (field: string, value: unknown): void {
  if (value === null || typeof value !== 'object' || Array.isArray(value) || ![Object.prototype, null].includes(Object.getPrototypeOf(value) as null)) throw new WechatInputError(field, 'must be a plain object')
  for (const [name, member] of Object.entries(value)) {
    if (!/^[a-z][a-z0-9_]{0,63}$/.test(name)) throw new WechatInputError(field, 'holds a name that is none of WeChat\'s: letters, digits and underscores')
    checkPlain(`${field}.${name}`, member)
  }
}

function checkPlain (field: string, value: unknown): void {
  // The list of names bounds no depth: a circle would never end.
  if (field.length > 512) throw new WechatInputError('extra', 'is too deep')
  if (typeof value === 'string') {
    if (value !== '') checkText(field, value, 6000)
  } else if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new WechatInputError(field, 'must be an integer')
  } else if (Array.isArray(value)) {
    value.forEach((member, at) => { checkPlain(`${field}.${at}`, member) })
  } else if (typeof value !== 'boolean') {
    checkExtra(field, value)
  }
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
