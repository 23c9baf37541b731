/** One interface for payments, independent of the version that places the orders. */
import { systemClock } from '../clock.ts'
import type { Clock } from '../clock.ts'
import { WechatApiError, WechatConfigError, WechatInputError } from '../errors.ts'
import type { HttpOptions } from '../http/http.ts'
import { checkCoreOptions } from '../option-shapes.ts'
import { requireId, resolveEndpoints } from '../options.ts'
import type { Endpoints } from '../options.ts'
import { createMemoryStore } from '../store/memory.ts'
import type { Store } from '../store/store.ts'
import { checkBillDate, fundFlowBill, tradeBill } from './bill.ts'
import type { Bill, FundFlowBillRequest, FundFlowBillRow, TradeBillRequest, TradeBillRow } from './bill.ts'
import { MAX_BILL_BYTES } from './bill-table.ts'
import { checkIds, checkMerchant } from './merchant.ts'
import type { CheckedMerchant, CheckedV2, CheckedV3, Merchant, MerchantIds } from './merchant.ts'
import { micropay } from './micropay.ts'
import { checkAuthCode, checkOpenid, checkOrder, checkTransactionId } from './order.ts'
import type { H5Order, JsapiOrder, MicropayOrder, NativeOrder, Order, Payment, UnpaidOrder } from './order.ts'
import { platformCertificates } from './expiry.ts'
import type { CertificateStatus } from './expiry.ts'
import { qrCode } from './qr-code.ts'
import { checkOutRefundNo, checkRefund } from './refund.ts'
import type { Refund, RefundRequest } from './refund.ts'
import { createRefundIdempotency } from './refund-idempotency.ts'
import { createV2Client } from './v2/client.ts'
import type { V2Caller } from './v2/client.ts'
import { createV2Pay } from './v2/pay.ts'
import { createV2 } from './v2/v2.ts'
import type { V2 } from './v2/v2.ts'
import { createV3Client } from './v3/client.ts'
import type { V3Caller } from './v3/client.ts'
import { createV3Pay } from './v3/pay.ts'
import { createV3 } from './v3/v3.ts'
import type { V3 } from './v3/v3.ts'
import type { AppParams, JsapiParams, MiniProgramParams, PayVersion, Placing } from './version.ts'

export interface PayOptions {
  appId: string
  merchant: Merchant
  endpoints?: Endpoints
  http?: HttpOptions
  /** Which version places orders, if `merchant` has both. Default v3. */
  version?: 'v2' | 'v3'
  /** Shared by all processes: platform certificates, and which amounts were refunded under which number. Default: this process's memory. */
  store?: Store
  clock?: Clock
}

export interface WechatPay {
  /**
   * Places the order and signs the page's parameters. Placing the same order again returns the same payment.
   * @throws WechatInputError before any call; WechatApiError (ORDERPAID, ORDERCLOSED, INVALID_REQUEST …);
   * WechatNetworkError or WechatReplyError with an unknown outcome: repeat with the SAME order
   */
  jsapi (order: JsapiOrder): Promise<JsapiParams>
  /** The same for `wx.requestPayment` in a mini program. */
  miniProgram (order: JsapiOrder): Promise<MiniProgramParams>
  /** The same for WeChat's SDK in an app. */
  app (order: Order): Promise<AppParams>
  /** The text of a QR code that the payer scans; with `qr` also the image (install the package `qrcode`). */
  native (order: NativeOrder, options?: { qr?: undefined }): Promise<{ codeUrl: string }>
  native (order: NativeOrder, options: { qr: 'svg' }): Promise<{ codeUrl: string, qr: string }>
  native (order: NativeOrder, options: { qr: 'png' }): Promise<{ codeUrl: string, qr: Buffer }>
  /** The URL to redirect a phone's browser to, within five minutes. */
  h5 (order: H5Order): Promise<{ h5Url: string }>
  /**
   * Pay by code: takes up to half a minute, and returns a payment, or an order for which no money was taken
   * (REVOKED, PAYERROR, CLOSED). v2 requires the client certificate, to reverse an order that fails halfway.
   * @throws WechatApiError AUTHCODEEXPIRE, NOTENOUGH …: refused, use a new number for the next try
   */
  micropay (order: MicropayOrder): Promise<Payment | UnpaidOrder>
  /** The current state of an order. @throws WechatApiError ORDERNOTEXIST (404) */
  query (which: { outTradeNo: string } | { transactionId: string }): Promise<Payment | UnpaidOrder>
  /** Closes an unpaid order; closing it twice is fine. @throws WechatApiError ORDERPAID (409) */
  close (outTradeNo: string): Promise<void>
  /**
   * Refunds an order. The same `outRefundNo` again is the same refund; after an unknown outcome repeat it unchanged.
   * @throws WechatInputError (409) if it was used with a different amount; WechatApiError NOTENOUGH, TRADE_OVERDUE …
   */
  refund (refund: RefundRequest): Promise<Refund>
  /** @throws WechatApiError REFUNDNOTEXIST (404) */
  queryRefund (which: { outRefundNo: string }): Promise<Refund>
  /** A day's payments and refunds, row by row; the rows are checked against the closing totals. */
  tradeBill (request: TradeBillRequest): Bill<TradeBillRow>
  /** A day's movements of one of the merchant's accounts. */
  fundFlowBill (request: FundFlowBillRequest): Bill<FundFlowBillRow>
  /** Service provider mode: the same client for another sub-merchant, over the same connections. Cheap enough to call per request. */
  forSubMerchant (merchant: Pick<Merchant, 'subMchId' | 'subAppId'> & { subMchId: string }): WechatPay
  /** Certificates and their expiry, without any call: WeChat Pay's are listed once they were needed, the merchant's if they are set. */
  status (): { mchId: string, certificates: CertificateStatus[] }
  /** Call it without Fastify, at the end of a script or worker: closes connections to WeChat that no other client of the process uses. */
  disconnect (): Promise<void>
  /** All other v2 calls. @throws WechatConfigError if `merchant.v2` is missing */
  readonly v2: V2
  /** All other v3 calls. @throws WechatConfigError if `merchant.v3` is missing */
  readonly v3: V3
}

/** @throws WechatConfigError naming the option that is missing or wrong */
export function createPay (options: PayOptions): WechatPay {
  checkCoreOptions(options)
  const endpoints = resolveEndpoints(options.endpoints)
  const appId = requireId('appId', options.appId)
  const { clock = systemClock, store = createMemoryStore(), http } = options
  const merchant = checkMerchant(options.merchant, endpoints.pay)
  if (!merchant.notifyUrl) throw new WechatConfigError('merchant.notifyUrl', 'is required')
  const bases = [endpoints.pay, endpoints.payBackup]
  return payFor({
    appId,
    notifyUrl: merchant.notifyUrl,
    v2: merchant.v2 && { caller: createV2Client({ http, bases, appId, merchant: merchant.v2 }), own: merchant.v2 },
    v3: merchant.v3 && { caller: createV3Client({ http, bases, merchant: merchant.v3, store, clock }), own: merchant.v3 },
    placing: placingVersion(options.version, merchant),
    store,
    clock,
    coalesce: createCoalesce()
  }, checkIds(merchant.mchId, merchant))
}

/** Parsed, checked and opened once for all sub-merchants of a provider. */
interface Shared {
  appId: string
  notifyUrl: string
  v2: { caller: V2Caller, own: CheckedV2 } | undefined
  v3: { caller: V3Caller, own: CheckedV3 } | undefined
  placing: 'v2' | 'v3'
  store: Store
  clock: Clock
  coalesce: Coalesce
}

/** Must be cheap: a service provider's server calls it for each request. */
function payFor (shared: Shared, ids: MerchantIds): WechatPay {
  const { appId, notifyUrl, store, clock, v2: keysV2, v3: keysV3 } = shared
  const v2 = keysV2 && lazy(() => withV2(keysV2, appId))
  const v3 = keysV3 && lazy(() => withV3(keysV3, appId))
  const version = (shared.placing === 'v2' ? need(v2, 'v2') : need(v3, 'v3')).pay
  const others = new Map<string, PayVersion>()
  const refunds = createRefundIdempotency(store, ids)
  const coalesce: Coalesce = (key, work) => shared.coalesce(`${ids.subMchId ?? ''} ${ids.subAppId ?? ''} ${key}`, work)

  function withV2 (keys: NonNullable<Shared['v2']>, under: string) {
    const caller = keys.caller.forMerchant(ids, under)
    const own = { ...keys.own, ...ids }
    return { pay: createV2Pay(caller, under, own, notifyUrl), all: lazy(() => createV2(caller, under, own, notifyUrl)) }
  }

  function withV3 ({ caller, own: keys }: NonNullable<Shared['v3']>, under: string) {
    const own = { ...keys, ...ids }
    return { pay: createV3Pay(caller, under, own, notifyUrl), all: lazy(() => createV3(caller, under, own, notifyUrl)) }
  }

  function placingUnder (other: string): PayVersion {
    return (shared.placing === 'v2' ? withV2(keysV2 as NonNullable<typeof keysV2>, other) : withV3(keysV3 as NonNullable<typeof keysV3>, other)).pay
  }

  /** The client that places this order: each appId of the merchant has its own. @throws WechatInputError */
  function versionFor ({ appId: wanted = appId }: Order): PayVersion {
    if (wanted === appId) return version
    if (!ids.appIds.includes(wanted)) throw new WechatInputError('appId', 'is not in merchant.appIds')
    let other = others.get(wanted)
    if (!other) others.set(wanted, other = placingUnder(wanted))
    return other
  }

  function checkNumber (value: unknown): string {
    const { pattern, words } = version.outTradeNo
    if (typeof value !== 'string' || !pattern.test(value)) throw new WechatInputError('outTradeNo', `must be ${words}`)
    return value
  }

  /** The version to query for this number: v2 orders may have numbers that v3 does not accept. */
  function versionOf (number: unknown): PayVersion {
    const matching = typeof number === 'string' && [version, v2?.().pay, v3?.().pay].find(pay => pay?.outTradeNo.pattern.test(number))
    if (!matching) checkNumber(number)
    return matching || version
  }

  function place (placing: Placing): Promise<string> {
    checkOrder(placing.order)
    return placeChecked(placing)
  }

  /** Concurrent calls for the same order become one call to WeChat. */
  function placeChecked (placing: Placing): Promise<string> {
    checkNumber(placing.order.outTradeNo)
    return coalesce(keyOf(placing.way, placing.order, ORDER_FIELDS), () => versionFor(placing.order).place(placing))
  }

  async function jsapiParams (order: JsapiOrder): Promise<JsapiParams> {
    checkOrder(order)
    checkOpenid(order.openid)
    const prepayId = await placeChecked({ way: 'JSAPI', order })
    return await versionFor(order).jsapiParams(prepayId)
  }

  async function native (order: NativeOrder, options?: { qr?: 'svg' | 'png' | undefined }) {
    const qr = options?.qr
    const codeUrl = await place({ way: 'NATIVE', order })
    return qr === undefined ? { codeUrl } : { codeUrl, qr: await qrCode(codeUrl, qr) }
  }

  return {
    get v2 () { return need(v2, 'v2').all() },
    get v3 () { return need(v3, 'v3').all() },

    jsapi: async order => await jsapiParams(order),

    async miniProgram (order) {
      const { appId: _signedOnly, timestamp: _spelledOtherwise, ...params } = await jsapiParams(order)
      return params
    },

    async app (order) {
      const prepayId = await place({ way: 'APP', order })
      return await versionFor(order).appParams(prepayId)
    },

    native: native as WechatPay['native'],

    async h5 (order) {
      if (order?.clientIp === undefined) throw new WechatInputError('clientIp', 'is required for H5: the payer\'s IP address')
      const { redirectUrl } = order
      if (redirectUrl !== undefined && (!URL.canParse(redirectUrl) || !/^https?:/.test(redirectUrl))) throw new WechatInputError('redirectUrl', 'must be an absolute http(s) URL')
      const h5Url = await place({ way: 'H5', order })
      return { h5Url: redirectUrl === undefined ? h5Url : `${h5Url}${h5Url.includes('?') ? '&' : '?'}redirect_url=${encodeURIComponent(redirectUrl)}` }
    },

    async micropay (order) {
      checkNumber(checkOrder(order).outTradeNo)
      checkAuthCode(order.authCode)
      return await coalesce(keyOf('micropay', order, ORDER_FIELDS), () => micropay(order, versionFor(order), clock))
    },

    async query (which) {
      checkObject('query', which, '{ outTradeNo } or { transactionId }')
      if ('transactionId' in which) return await version.query({ transactionId: checkTransactionId(which.transactionId) })
      return await versionOf(which.outTradeNo).query(which)
    },

    close: async outTradeNo => await versionOf(outTradeNo).close(outTradeNo),

    async refund (refund) {
      checkRefund(refund)
      return await coalesce(keyOf('refund', refund, REFUND_FIELDS), async () => {
        const forget = await refunds.same(refund)
        return await version.refund(refund).catch(async (error: unknown) => {
          // Definitely refused: nothing was refunded, and the number may be used for a correct amount.
          if (error instanceof WechatApiError && !error.retryable) await forget()
          throw error
        })
      })
    },

    queryRefund: async which => await version.queryRefund(checkOutRefundNo(checkObject('queryRefund', which, '{ outRefundNo }').outRefundNo)),

    tradeBill (request) {
      const { date, type = 'ALL' } = checkObject('tradeBill', request, '{ date }')
      return tradeBill({ ...version.tradeBill(checkBillDate(date), type), gzip: true, maxBytes: MAX_BILL_BYTES })
    },

    fundFlowBill (request) {
      const { date, account = 'BASIC' } = checkObject('fundFlowBill', request, '{ date }')
      return fundFlowBill({ ...version.fundFlowBill(checkBillDate(date), account), gzip: true, maxBytes: MAX_BILL_BYTES })
    },

    forSubMerchant (sub) {
      // Without it, the money would go to the merchant in the options.
      if (checkObject('forSubMerchant', sub, '{ subMchId }').subMchId === undefined) throw new WechatInputError('subMchId', 'is missing')
      return payFor(shared, checkIds(ids.mchId, { ...sub, appIds: ids.appIds }))
    },

    status () {
      const own = keysV2?.caller.certificate()
      const { own: v3, caller } = keysV3 ?? {}
      return {
        mchId: ids.mchId,
        certificates: [
          ...own ? [{ of: 'merchant.v2' as const, serialNo: own.serialNumber, validTo: new Date(own.validTo) }] : [],
          ...v3?.validTo ? [{ of: 'merchant.v3' as const, serialNo: v3.serialNo, validTo: v3.validTo }] : [],
          ...caller ? platformCertificates(caller.keys) : []
        ]
      }
    },

    async disconnect () { await Promise.all([shared.v2?.caller.disconnect(), shared.v3?.caller.disconnect()]) }
  }
}

function checkObject<T> (call: string, value: T, form: string): T {
  if (typeof value !== 'object' || value === null) throw new WechatInputError(call, `takes an object: ${form}`)
  return value
}

/** Created on first use: most merchants never need it. */
function lazy<T> (make: () => T): () => T {
  let made: T | undefined
  return () => {
    made ??= make()
    return made
  }
}

function need<T> (part: (() => T) | undefined, version: 'v2' | 'v3'): T {
  if (!part) throw new WechatConfigError(`merchant.${version}`, 'is required for this call')
  return part()
}

function placingVersion (wanted: unknown, { v2, v3 }: CheckedMerchant): 'v2' | 'v3' {
  if (wanted !== undefined && wanted !== 'v2' && wanted !== 'v3') throw new WechatConfigError('version', 'must be v2 or v3')
  const chosen = wanted ?? (v3 ? 'v3' : 'v2')
  if (!(chosen === 'v2' ? v2 : v3)) throw new WechatConfigError(`merchant.${chosen}`, 'is required by version')
  return chosen
}

/** The fields that make two orders the same; your own record may have more fields, and not all can be serialized. */
const ORDER_FIELDS = ['appId', 'outTradeNo', 'description', 'amount', 'attach', 'expiresAt', 'clientIp', 'deviceInfo', 'goodsTag', 'noCredit', 'limitPay', 'detail', 'storeInfo', 'profitSharing', 'supportFapiao', 'extra', 'openid', 'productId', 'authCode', 'scene']
const REFUND_FIELDS = ['outRefundNo', 'outTradeNo', 'transactionId', 'amount', 'total', 'reason', 'notifyUrl', 'fromBalance']

/** All contents of these fields, at any depth. Two records have the same key only if they are the same. */
function keyOf (what: string, record: object, fields: readonly string[]): string {
  let key = what
  for (const name of fields) {
    const value = (record as Record<string, unknown>)[name]
    // Strings are prefixed with their length, so that a value cannot imitate the next field.
    if (value !== undefined) key += ` ${name}=${typeof value === 'string' ? `${value.length}:${value}` : JSON.stringify(value)}`
  }
  return key
}

/** Concurrent callers with the same key share one result. */
type Coalesce = <T>(key: string, work: () => Promise<T>) => Promise<T>

function createCoalesce (): Coalesce {
  const underWay = new Map<string, Promise<unknown>>()
  return <T>(key: string, work: () => Promise<T>): Promise<T> => {
    let running = underWay.get(key) as Promise<T> | undefined
    if (!running) {
      const ended = () => { underWay.delete(key) }
      running = work()
      underWay.set(key, running)
      running.then(ended, ended)
    }
    return running
  }
}
