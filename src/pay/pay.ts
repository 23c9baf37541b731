/** Payments behind one face, whichever version places the orders. */
import { WechatConfigError, WechatInputError, WechatReplyError } from '../errors.ts'
import { createHttp } from '../http.ts'
import type { HttpOptions } from '../http.ts'
import { requireId, resolveEndpoints } from '../options.ts'
import type { Endpoints } from '../options.ts'
import { toCompactChinaTime } from './china-time.ts'
import { checkMerchant } from './merchant.ts'
import type { Merchant } from './merchant.ts'
import { checkOpenid, checkOrder, checkOutTradeNo } from './order.ts'
import type { JsapiOrder, Payment, UnpaidOrder } from './order.ts'
import { createV2Client } from './v2/client.ts'
import type { V2Client } from './v2/client.ts'
import { jsapiParams } from './v2/front-end.ts'
import type { JsapiParams, MiniProgramParams } from './v2/front-end.ts'
import { asOrder, oddField } from './v2/payment.ts'

export interface PayOptions {
  appId: string
  merchant: Merchant
  endpoints?: Endpoints
  http?: HttpOptions
}

export interface WechatPay {
  /**
   * Places the order and signs what the page needs. The same order again answers the same payment.
   * @throws WechatInputError before any call; WechatApiError (ORDERPAID, ORDERCLOSED, INVALID_REQUEST …);
   * WechatNetworkError or WechatReplyError with an unknown outcome: repeat with the SAME order
   */
  jsapi (order: JsapiOrder): Promise<JsapiParams>
  /** The same for `wx.requestPayment` in a mini program. */
  miniProgram (order: JsapiOrder): Promise<MiniProgramParams>
  /** What has become of an order. @throws WechatApiError ORDERNOTEXIST (404) */
  query (which: { outTradeNo: string } | { transactionId: string }): Promise<Payment | UnpaidOrder>
  /** Ends an unpaid order; closing it twice is fine. @throws WechatApiError ORDERPAID (409) */
  close (outTradeNo: string): Promise<void>
  v2: V2Client
}

/** @throws WechatConfigError naming the option that is missing or wrong */
export function createPay (options: PayOptions): WechatPay {
  const endpoints = resolveEndpoints(options.endpoints)
  const appId = requireId('appId', options.appId)
  const merchant = checkMerchant(options.merchant, endpoints.pay)
  if (!merchant.notifyUrl) throw new WechatConfigError('merchant.notifyUrl', 'is required')
  const { notifyUrl, apiKey, signType } = merchant
  const v2 = createV2Client({ http: createHttp(options.http), bases: [endpoints.pay, endpoints.payBackup], appId, merchant })

  const placing = new Map<string, Promise<string>>()

  /** The prepay_id. Ten calls at once for one order are one call to WeChat. */
  function place (order: JsapiOrder): Promise<string> {
    const { outTradeNo, description, amount, attach, expiresAt, clientIp } = checkOrder(order)
    // No time_start: a repeat must have the very same parameters, or WeChat takes it for another order.
    const params = {
      trade_type: 'JSAPI',
      out_trade_no: outTradeNo,
      body: description,
      total_fee: amount,
      openid: checkOpenid(order.openid),
      attach,
      time_expire: expiresAt && toCompactChinaTime(expiresAt),
      spbill_create_ip: clientIp ?? '127.0.0.1',
      notify_url: notifyUrl
    }
    const key = JSON.stringify(params)
    let placed = placing.get(key)
    if (!placed) {
      placed = v2.post('/pay/unifiedorder', params, { repeatable: true })
        .then(({ prepay_id: id, trade_type: type }) => {
          if (!id || !/^[0-9A-Za-z_-]{1,64}$/.test(id) || type !== 'JSAPI') throw new WechatReplyError('/pay/unifiedorder', 'the answer has no usable prepay_id')
          return id
        })
        .finally(() => placing.delete(key))
      placing.set(key, placed)
    }
    return placed
  }

  return {
    v2,

    async jsapi (order) {
      return jsapiParams(appId, await place(order), apiKey, signType)
    },

    async miniProgram (order) {
      const { appId: _signedOnly, timestamp: _spelledOtherwise, ...params } = jsapiParams(appId, await place(order), apiKey, signType)
      return params
    },

    async query (which) {
      const params = 'transactionId' in which
        ? { transaction_id: checkTransactionId(which.transactionId) }
        : { out_trade_no: checkOutTradeNo(which.outTradeNo) }
      const fields = await v2.post('/pay/orderquery', params, { repeatable: true })
      const [name, asked] = Object.entries(params)[0] as [string, string]
      const order = oddField(fields) === undefined && fields[name] === asked ? asOrder(fields) : undefined
      if (!order) throw new WechatReplyError('/pay/orderquery', 'the answer is not the order that was asked for')
      return order
    },

    async close (outTradeNo) {
      try {
        await v2.post('/pay/closeorder', { out_trade_no: checkOutTradeNo(outTradeNo) }, { repeatable: true })
      } catch (error) {
        if ((error as { wechatCode?: string }).wechatCode !== 'ORDERCLOSED') throw error
      }
    }
  }

  function checkTransactionId (value: unknown): string {
    if (typeof value !== 'string' || !/^\d{1,32}$/.test(value)) throw new WechatInputError('transactionId', 'must be a string of digits')
    return value
  }
}
