/** The interface between pay.ts and the two versions: code above it does not know which version places the orders. */
import type { BillSource } from './bill-table.ts'
import type { H5Order, JsapiOrder, MicropayOrder, NativeOrder, Order, Payment, UnpaidOrder } from './order.ts'
import type { Refund, RefundRequest } from './refund.ts'

/** Accepted by `wx.chooseWXPay` (reads `timestamp`) and by `WeixinJSBridge` (reads `timeStamp`) alike. */
export interface JsapiParams {
  appId: string
  /** Seconds since 1970, as a string; twice, because WeChat's two APIs spell it differently. */
  timeStamp: string
  timestamp: string
  nonceStr: string
  /** `prepay_id=…` */
  package: string
  signType: 'MD5' | 'HMAC-SHA256' | 'RSA'
  paySign: string
}

/** For `wx.requestPayment`: no `appId` here, although it is signed. */
export type MiniProgramParams = Omit<JsapiParams, 'appId' | 'timestamp'>

/** For WeChat's SDK in an app (PayReq). */
export interface AppParams {
  appid: string
  partnerid: string
  prepayid: string
  package: 'Sign=WXPay'
  noncestr: string
  /** Seconds since 1970, as a string. */
  timestamp: string
  sign: string
}

/** A checked order with its way to pay. */
export type Placing =
  | { way: 'JSAPI', order: JsapiOrder }
  | { way: 'APP', order: Order }
  | { way: 'NATIVE', order: NativeOrder }
  | { way: 'H5', order: H5Order }

/** The two calls of pay by code. */
export interface PayByCode {
  /** Undefined while it is unknown whether the money has moved. @throws WechatApiError if it was definitely refused */
  take (order: MicropayOrder): Promise<Payment | undefined>
  /** Ends the order; money that moved is returned. NOTPAY: the order never arrived. */
  reverse (outTradeNo: string): Promise<UnpaidOrder>
}

export interface PayVersion {
  /** The format of an order number, as a pattern and in words. */
  outTradeNo: { pattern: RegExp, words: string }
  /** Places the order: a prepay_id (JSAPI, APP), a code_url (NATIVE) or a page's URL (H5). Placing the same order again returns the same order. */
  place (placing: Placing): Promise<string>
  jsapiParams (prepayId: string): Promise<JsapiParams>
  appParams (prepayId: string): Promise<AppParams>
  query (which: { outTradeNo: string } | { transactionId: string }): Promise<Payment | UnpaidOrder>
  readonly payByCode: PayByCode
  close (outTradeNo: string): Promise<void>
  refund (refund: RefundRequest): Promise<Refund>
  queryRefund (outRefundNo: string): Promise<Refund>
  /** `date`: yyyy-MM-dd. */
  tradeBill (date: string, type: 'ALL' | 'SUCCESS' | 'REFUND'): Pick<BillSource, 'name' | 'open'>
  fundFlowBill (date: string, account: 'BASIC' | 'OPERATION' | 'FEES'): Pick<BillSource, 'name' | 'open'>
}
