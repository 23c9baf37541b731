/** Parameters that a page hands to WeChat to open the cashier: WeChat Pay v2 documentation, "JSAPI payment, the page". */
import { nonce } from '../../nonce.ts'
import { signV2 } from './sign.ts'
import type { SignType } from './sign.ts'

/** Accepted by `wx.chooseWXPay` (reads `timestamp`) and by `WeixinJSBridge` (reads `timeStamp`) alike. */
export interface JsapiParams {
  appId: string
  /** Seconds since 1970, as a string; twice, since WeChat's two entrances spell it differently. */
  timeStamp: string
  timestamp: string
  nonceStr: string
  /** `prepay_id=…` */
  package: string
  signType: SignType
  paySign: string
}

/** For `wx.requestPayment`: a mini program gets no `appId`, though it is signed. */
export type MiniProgramParams = Omit<JsapiParams, 'appId' | 'timestamp'>

export function jsapiParams (appId: string, prepayId: string, apiKey: string, signType: SignType): JsapiParams {
  const timeStamp = String(Math.floor(Date.now() / 1000))
  const signed = { appId, timeStamp, nonceStr: nonce(), package: `prepay_id=${prepayId}`, signType }
  return { ...signed, timestamp: timeStamp, paySign: signV2(signed, apiKey, signType) }
}
