/** v2 notifications: WeChat Pay v2 documentation, "Payment result notification" and "Refund result notification". Nothing is believed before it is verified. */
import { WechatNotificationError } from '../../errors.ts'
import { isOwnAppId } from '../merchant.ts'
import type { CheckedV2 } from '../merchant.ts'
import type { Payment } from '../order.ts'
import type { Refund } from '../refund.ts'
import { asPayment, oddField } from './payment.ts'
import { asRefund } from './refund.ts'
import { decryptRefund, refundCipherKey } from './refund-cipher.ts'
import { verifyV2 } from './sign.ts'
import { readXml } from './xml.ts'
import type { Fields } from './xml.ts'

/** A genuine message: a payment, the news that an attempt to pay failed, or what became of a refund. */
export type V2Notification =
  | { kind: 'payment', payment: Payment, raw: Fields }
  | { kind: 'failure', raw: Fields }
  | { kind: 'refund', refund: Refund, raw: Fields }

/**
 * @param body the bytes as received
 * @throws WechatNotificationError saying why it is refused, without quoting it
 */
export function readV2Notification (body: Uint8Array, appId: string, merchant: CheckedV2): V2Notification {
  const fields = read(body)
  return fields.req_info ? refundIn(fields, appId, merchant) : paymentIn(fields, appId, merchant)
}

function paymentIn (fields: Fields, appId: string, merchant: CheckedV2): V2Notification {
  if (!verifyV2(fields, merchant.apiKeys, merchant.signType)) throw new WechatNotificationError('the signature is missing or wrong', 401)
  const odd = oddField(fields) ?? cutField(fields)
  if (odd) throw new WechatNotificationError(`the field ${odd} is not of its form`)
  refuseForeign(fields, appId, merchant)
  if (fields.result_code === 'FAIL') return { kind: 'failure', raw: fields }
  const payment = fields.result_code === 'SUCCESS' ? asPayment(fields, 'SUCCESS') : undefined
  if (!payment) throw new WechatNotificationError('fields of a payment are missing')
  return { kind: 'payment', payment, raw: fields }
}

/**
 * Around a refund nothing is signed: what vouches for it is that it was encrypted with the merchant's key. That cipher
 * notices no change by itself, so the text inside has to be of WeChat's own form in every field.
 */
function refundIn (outer: Fields, appId: string, merchant: CheckedV2): V2Notification {
  refuseForeign(outer, appId, merchant)
  const ids = { mchId: merchant.mchId, subMchId: outer.sub_mch_id }
  let fields: Fields | undefined
  let problem: unknown
  // The cipher itself does not tell whether the key was right: the text's form does.
  for (const apiKey of merchant.apiKeys) {
    try {
      fields = read(decrypted(outer.req_info as string, apiKey), 'root')
      break
    } catch (error) {
      // The newest key's refusal is the one that tells.
      problem ??= error
    }
  }
  if (!fields) throw problem
  const refund = asRefund(fields, fields.refund_status ?? '', ids)
  // PROCESSING is what a query says; a notification comes when it is over.
  if (!refund || refund.state === 'PROCESSING') throw new WechatNotificationError('fields of a refund are missing or not of their form')
  return { kind: 'refund', refund, raw: fields }
}

function decrypted (reqInfo: string, apiKey: string): Buffer {
  try {
    return decryptRefund(reqInfo, refundCipherKey(apiKey))
  } catch {
    throw new WechatNotificationError('it was not encrypted with this merchant\'s key', 401)
  }
}

function refuseForeign ({ return_code: code, appid, mch_id: mchId, sub_mch_id: subMchId }: Fields, appId: string, merchant: CheckedV2): void {
  if (code !== 'SUCCESS') throw new WechatNotificationError('it reports no success of the call')
  // A provider that serves several merchants configures none of them, and is told which it was.
  if (!isOwnAppId(appid, appId, merchant) || mchId !== merchant.mchId || (merchant.subMchId && subMchId !== merchant.subMchId)) {
    throw new WechatNotificationError('it belongs to another account or merchant', 403)
  }
}

/**
 * attach itself could still be cut shorter or longer: its tail would become a field that sorts right behind it, or the
 * field behind it, bank_type, would be swallowed. Neither shape is WeChat's.
 */
function cutField (fields: Fields): string | undefined {
  if (fields.attach?.includes('&') && !fields.bank_type) return 'bank_type'
  for (const name in fields) if (name > 'attach' && name < 'bank_type') return name
}

function read (body: Uint8Array, root?: string): Fields {
  try {
    return readXml(body, root)
  } catch (error) {
    throw new WechatNotificationError(`the document ${(error as Error).message}`)
  }
}

/** What WeChat reads as "handled" or "send it again". */
export function v2Answer (code: 'SUCCESS' | 'FAIL'): string {
  return `<xml><return_code><![CDATA[${code}]]></return_code><return_msg><![CDATA[${code === 'SUCCESS' ? 'OK' : 'FAIL'}]]></return_msg></xml>`
}
