/** Parameters that a page or an app passes to WeChat to open the cashier: WeChat Pay v2 documentation, "JSAPI payment, the page" and "APP payment, the app". */
import { nonce } from '../../nonce.ts'
import type { AppParams, JsapiParams } from '../version.ts'
import { signV2 } from './sign.ts'
import type { SignType } from './sign.ts'

export function jsapiParams (appId: string, prepayId: string, apiKey: string, signType: SignType): JsapiParams {
  const timeStamp = now()
  const signed = { appId, timeStamp, nonceStr: nonce(), package: `prepay_id=${prepayId}`, signType }
  return { appId, timeStamp, timestamp: timeStamp, nonceStr: signed.nonceStr, package: signed.package, signType, paySign: signV2(signed, apiKey, signType) }
}

export function appParams (appid: string, partnerid: string, prepayid: string, apiKey: string, signType: SignType): AppParams {
  const signed = { appid, partnerid, prepayid, package: 'Sign=WXPay', noncestr: nonce(), timestamp: now() } as const
  return { ...signed, sign: signV2(signed, apiKey, signType) }
}

const now = () => String(Math.floor(Date.now() / 1000))
