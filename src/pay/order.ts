/** Orders and payments in your application: the same for v2 and v3. Money is integer fen, ids are strings. */
import { isIP } from 'node:net'
import { WechatInputError } from '../errors.ts'
import { OPENID } from '../official-account/oauth.ts'

export interface Order {
  /** The merchant's number of the order, never reused: 1 to 32 of `0-9 A-Z a-z _ - | * @`. (APIv3 requires 6 or more, and no `@`.) */
  outTradeNo: string
  /** Where it is paid: one of `merchant.appIds`. Default: the account's own. */
  appId?: string
  /** What the payer reads: 1 to 127 bytes of UTF-8. */
  description: string
  /** Integer fen. */
  amount: number
  /** Returned with the payment: at most 127 bytes of UTF-8. */
  attach?: string
  /** After this moment the order cannot be paid. Default: seven days. */
  expiresAt?: Date
  /** The payer's IP address. The pay route fills it in from the request; H5 orders need it. */
  clientIp?: string
  /** The terminal or store, at most 32 characters. */
  deviceInfo?: string
  /** Tag for a coupon campaign, at most 32 characters. */
  goodsTag?: string
  /** v2: refuse credit cards, like `limitPay: ['no_credit']`. */
  noCredit?: boolean
  /** Means of payment to exclude. v2 knows only `no_credit`; APIv3 offers these only to some merchants. */
  limitPay?: LimitPay[]
  /** The items: for coupons on single items. */
  detail?: OrderDetail
  /** The store. APIv3 accepts it only together with `clientIp`. */
  storeInfo?: StoreInfo
  /** Keep the money frozen for profit sharing. */
  profitSharing?: boolean
  /** Show the payer the electronic invoice entry. */
  supportFapiao?: boolean
  /**
   * Further WeChat fields that have no name here, under WeChat's names in the version that places the order:
   * `{ settle_info: { subsidy_amount: 10 } }` in APIv3, `{ version: '1.0' }` in v2 (texts and numbers only). Fields
   * that the order, the account or the signature already set are refused.
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
    /** The merchant's id of the item, at most 32 characters. */
    id: string
    /** WeChat Pay's id of the item. */
    wechatId?: string
    name?: string
    /** 1 or more. */
    quantity: number
    /** Integer fen: the price of one item. */
    price: number
  }>
}

export interface StoreInfo {
  /** The merchant's id of the store, at most 32 characters. */
  id: string
  name?: string
  /** Six digits: the code of the store's district in China. */
  areaCode?: string
  address?: string
  /** WeChat Pay's id of the place. Used only by APIv3's pay by code, instead of `id`. */
  placeId?: string
}

export interface JsapiOrder extends Order {
  /** The payer's openid under the order's appId (in service provider mode: under `merchant.subAppId`, if set). */
  openid: string
}

export interface NativeOrder extends Order {
  /** The merchant's id of the product, at most 32 characters. Default: the order's number. */
  productId?: string
}

export interface H5Order extends Order {
  clientIp: string
  /** Where the browser goes when the payer returns from WeChat; its host must be registered with WeChat Pay. */
  redirectUrl?: string
  /** The kind of page or app that starts the payment. Default: a web page. */
  scene?: { type: 'Wap', wapUrl?: string, wapName?: string } | { type: 'IOS', appName: string, bundleId: string } | { type: 'Android', appName: string, packageName: string }
}

export interface MicropayOrder extends Order {
  /** The code scanned from the payer's phone: 18 digits that start with 10 to 15. */
  authCode: string
}

export type OrderState = 'SUCCESS' | 'REFUND' | 'NOTPAY' | 'CLOSED' | 'REVOKED' | 'USERPAYING' | 'PAYERROR'

/** A paid order, from a notification or a query. */
export interface Payment {
  outTradeNo: string
  transactionId: string
  /** `REFUND` if some of it has been refunded since. */
  state: 'SUCCESS' | 'REFUND'
  /** Integer fen: the order's amount. */
  amount: number
  /** Integer fen: what the payer paid after coupons. */
  payerAmount: number
  /** Three letters, usually CNY. */
  currency: string
  /** Who paid, under `appId`. */
  openid: string
  appId: string
  mchId: string
  /** Service provider mode: the merchant who receives the money, and the payer's openid under that merchant's appid. */
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

/** Accepts only text that WeChat receives unchanged. */
export function checkText (field: string, value: unknown, maxBytes: number): string {
  if (typeof value !== 'string' || value === '') throw new WechatInputError(field, 'must be a string')
  // Lone surrogates would become question marks; control characters are invalid in XML.
  if (!value.isWellFormed() || /[\0-\x1f\x7f\ufffe\uffff]/.test(value)) throw new WechatInputError(field, 'contains a character that cannot be sent')
  // A UTF-16 unit has at most three bytes.
  if (value.length * 3 > maxBytes && Buffer.byteLength(value) > maxBytes) throw new WechatInputError(field, `is longer than ${maxBytes} bytes`)
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
  if (order.deviceInfo !== undefined) checkText('deviceInfo', order.deviceInfo, 32)
  if (order.goodsTag !== undefined) checkText('goodsTag', order.goodsTag, 32)
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
  if (detail === null || typeof detail !== 'object' || !Array.isArray(detail.goods) || detail.goods.length === 0) throw new WechatInputError('detail.goods', 'must be a list with at least one item')
  if (detail.costPrice !== undefined) checkAmount(detail.costPrice, 'detail.costPrice')
  if (detail.receiptId !== undefined) checkText('detail.receiptId', detail.receiptId, 32)
  detail.goods.forEach((article, at) => {
    const field = `detail.goods.${at}`
    if (article === null || typeof article !== 'object') throw new WechatInputError(field, 'must be an object { id, quantity, price }')
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

/** Accepts plain data with names in WeChat's style, because exactly this is signed and compared. */
function checkExtra (field: string, value: unknown): void {
  if (value === null || typeof value !== 'object' || Array.isArray(value) || ![Object.prototype, null].includes(Object.getPrototypeOf(value) as null)) throw new WechatInputError(field, 'must be a plain object')
  for (const [name, member] of Object.entries(value)) {
    if (!/^[a-z][a-z0-9_]{0,63}$/.test(name)) throw new WechatInputError(field, 'has an invalid name: use letters, digits and underscores')
    checkPlain(`${field}.${name}`, member)
  }
}

function checkPlain (field: string, value: unknown): void {
  // The check of names does not limit the depth: a cycle would never end.
  if (field.length > 512) throw new WechatInputError('extra', 'is nested too deeply')
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

/** The digits of the payment code on the payer's phone. */
export function checkAuthCode (value: unknown): string {
  if (typeof value !== 'string' || !/^1[0-5]\d{16}$/.test(value)) throw new WechatInputError('authCode', 'must be the 18 digits of a payment code')
  return value
}

export function checkOpenid (value: unknown): string {
  if (typeof value !== 'string' || !OPENID.test(value)) throw new WechatInputError('openid', 'must be the payer\'s openid')
  return value
}

/** The page or app that an H5 payment starts from; the field names for its URL and name differ between versions. */
export function h5Info ({ scene = { type: 'Wap' } }: H5Order, wapUrl: string, wapName: string): Record<string, string> {
  const { type, ...rest } = scene
  const names = { wapUrl, wapName, appName: 'app_name', bundleId: 'bundle_id', packageName: 'package_name' }
  return { type, ...Object.fromEntries(Object.entries(rest).map(([name, value]) => [names[name as keyof typeof names], value])) }
}
