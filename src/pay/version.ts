/** What pay.ts asks of v2 and of v3, so that nothing above them knows which one places the orders. */
import type { BillSource } from './bill-table.ts'
import type { H5Order, JsapiOrder, MicropayOrder, NativeOrder, Order, Payment, UnpaidOrder } from './order.ts'
import type { Refund, RefundRequest } from './refund.ts'

/** Accepted by `wx.chooseWXPay` (reads `timestamp`) and by `WeixinJSBridge` (reads `timeStamp`) alike. */
export interface JsapiParams {
  appId: string
  /** Seconds since 1970, as a string; twice, since WeChat's two entrances spell it differently. */
  timeStamp: string
  timestamp: string
  nonceStr: string
  /** `prepay_id=…` */
  package: string
  signType: 'MD5' | 'HMAC-SHA256' | 'RSA'
  paySign: string
}

/** For `wx.requestPayment`: a mini program gets no `appId`, though it is signed. */
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

/** An order, checked, with the way it will be paid. */
export type Placing =
  | { way: 'JSAPI', order: JsapiOrder }
  | { way: 'APP', order: Order }
  | { way: 'NATIVE', order: NativeOrder }
  | { way: 'H5', order: H5Order }

/** The two calls that pay by code is made of. */
export interface PayByCode {
  /** Undefined while it is open whether the money has moved. @throws WechatApiError when it was refused for good */
  take (order: MicropayOrder): Promise<Payment | undefined>
  /** The order is at an end, and money that moved goes back. NOTPAY: it had never arrived. */
  reverse (outTradeNo: string): Promise<UnpaidOrder>
}

export interface PayVersion {
  /** What an order's number may look like here, and in words. */
  outTradeNo: { pattern: RegExp, words: string }
  /** Places the order: a prepay_id (JSAPI, APP), a code_url (NATIVE) or a page's address (H5). The same order again is the same order. */
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
