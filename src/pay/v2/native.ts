/** NATIVE payment, mode 1: a fixed QR code for each product; WeChat asks the merchant for the order when it is scanned. WeChat Pay v2 documentation, "Native payment, mode 1". */
import { WechatInputError, WechatNotificationError } from '../../errors.ts'
import { nonce } from '../../nonce.ts'
import type { CheckedV2 } from '../merchant.ts'
import { OPENID } from '../../official-account/oauth.ts'
import { signV2, verifyV2 } from './sign.ts'
import { readXml } from './xml.ts'
import type { Fields } from './xml.ts'

/** What the payer scanned, and who scanned it. */
export interface NativeScan {
  productId: string
  openid: string
  isSubscribed: boolean
  raw: Readonly<Record<string, string>>
}

/** The text of the QR code for a product. It is signed with MD5 or HMAC-SHA256, as configured. */
export function nativeProductUrl (productId: string, appId: string, { mchId, apiKey, signType }: CheckedV2): string {
  if (!/^[0-9A-Za-z_\-|*@.]{1,32}$/.test(productId)) throw new WechatInputError('productId', 'must be 1 to 32 of 0-9 A-Z a-z _ - | * @ .')
  const fields = { appid: appId, mch_id: mchId, nonce_str: nonce(), product_id: productId, time_stamp: String(Math.floor(Date.now() / 1000)) }
  return `weixin://wxpay/bizpayurl?${new URLSearchParams({ ...fields, sign: signV2(fields, apiKey, signType) })}`
}

/** Reads WeChat's request for a scanned product. @throws WechatNotificationError saying why it is refused, without quoting it */
export function readNativeScan (body: Uint8Array, appId: string, { mchId, apiKeys, signType }: CheckedV2): NativeScan {
  let fields: Fields
  try {
    fields = readXml(body)
  } catch (error) {
    throw new WechatNotificationError(`the document ${(error as Error).message}`)
  }
  if (!verifyV2(fields, apiKeys, signType)) throw new WechatNotificationError('the signature is missing or wrong', 401)
  if (Object.values(fields).some(value => value.includes('&'))) throw new WechatNotificationError('a field is malformed')
  const { appid, mch_id: merchant, openid, product_id: productId } = fields
  if (appid !== appId || merchant !== mchId) throw new WechatNotificationError('it belongs to another account or merchant', 403)
  if (!productId || !openid || !OPENID.test(openid)) throw new WechatNotificationError('fields of a scan are missing')
  return { productId, openid, isSubscribed: fields.is_subscribe === 'Y', raw: fields }
}
