/** Parameters that a page or an app passes to WeChat to open the cashier: WeChat Pay APIv3 documentation, "Opening the cashier". */
import { nonce } from '../../nonce.ts'
import type { CheckedV3 } from '../merchant.ts'
import type { AppParams, JsapiParams } from '../version.ts'
import { signV3 } from './sign.ts'

/** A page and a mini program sign `prepay_id=…`, an app signs the bare id: confusing the two is the most common mistake. */
export async function jsapiParams (appId: string, prepayId: string, { privateKey }: CheckedV3): Promise<JsapiParams> {
  const [timeStamp, nonceStr, packed] = [now(), nonce(), `prepay_id=${prepayId}`]
  const paySign = await signV3(`${appId}\n${timeStamp}\n${nonceStr}\n${packed}\n`, privateKey)
  return { appId, timeStamp, timestamp: timeStamp, nonceStr, package: packed, signType: 'RSA', paySign }
}

export async function appParams (appid: string, prepayid: string, { mchId, subMchId, privateKey }: CheckedV3): Promise<AppParams> {
  const [timestamp, noncestr] = [now(), nonce()]
  const sign = await signV3(`${appid}\n${timestamp}\n${noncestr}\n${prepayid}\n`, privateKey)
  return { appid, partnerid: subMchId ?? mchId, prepayid, package: 'Sign=WXPay', noncestr, timestamp, sign }
}

const now = () => String(Math.floor(Date.now() / 1000))
