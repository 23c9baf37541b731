/** v2 notifications: WeChat Pay v2 documentation, "Payment result notification" and "Refund result notification". Nothing is used before it is verified. */
import { WechatNotificationError } from '../../errors.ts'
import { isOwnAppId } from '../merchant.ts'
import type { CheckedV2 } from '../merchant.ts'
import type { Payment } from '../order.ts'
import type { Refund } from '../refund.ts'
import { asPayment, oddField } from './payment.ts'
import { asRefund } from './refund.ts'
import { decryptRefund, refundCipherKey } from './refund-cipher.ts'
import { verifyV2 } from './sign.ts'
import { createShape, readXml, sortedNames } from './xml.ts'
import type { Fields, Shape } from './xml.ts'

/** A genuine message: a payment, a failed attempt to pay, or the result of a refund. */
export type V2Notification =
  | { kind: 'payment', payment: Payment, raw: Fields }
  | { kind: 'failure', raw: Fields }
  | { kind: 'refund', refund: Refund, raw: Fields }

const shape = createShape()

/**
 * @param body the bytes as received
 * @throws WechatNotificationError saying why it is refused, without quoting it
 */
export function readV2Notification (body: Uint8Array, appId: string, merchant: CheckedV2): V2Notification {
  const fields = read(body, 'xml', shape)
  return fields.req_info ? refundIn(fields, appId, merchant) : paymentIn(fields, appId, merchant)
}

function paymentIn (fields: Fields, appId: string, merchant: CheckedV2): V2Notification {
  const names = sortedNames(shape)
  if (!verifyV2(fields, merchant.apiKeys, merchant.signType, names)) throw new WechatNotificationError('the signature is missing or wrong', 401)
  const odd = oddField(fields, shape.names) ?? cutField(fields, names)
  if (odd) throw new WechatNotificationError(`the field ${odd} is malformed`)
  refuseForeign(fields, appId, merchant)
  if (fields.result_code === 'FAIL') return { kind: 'failure', raw: fields }
  const payment = fields.result_code === 'SUCCESS' ? asPayment(fields, 'SUCCESS') : undefined
  if (!payment) throw new WechatNotificationError('fields of a payment are missing')
  return { kind: 'payment', payment, raw: fields }
}

/**
 * A refund notification is not signed: only its encryption with the merchant's key proves its origin. The cipher
 * does not detect changes, so every field of the decrypted text must be in WeChat's format.
 */
function refundIn (outer: Fields, appId: string, merchant: CheckedV2): V2Notification {
  refuseForeign(outer, appId, merchant)
  const ids = { mchId: merchant.mchId, subMchId: outer.sub_mch_id }
  let fields: Fields | undefined
  let problem: unknown
  // The cipher does not show whether the key was right; the format of the text does.
  for (const apiKey of merchant.apiKeys) {
    try {
      fields = read(decrypted(outer.req_info as string, apiKey), 'root')
      break
    } catch (error) {
      // Report the newest key's refusal.
      problem ??= error
    }
  }
  if (!fields) throw problem
  const refund = asRefund(fields, fields.refund_status ?? '', ids)
  // PROCESSING occurs only in queries; a notification has the final state.
  if (!refund || refund.state === 'PROCESSING') throw new WechatNotificationError('fields of a refund are missing or malformed')
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
  if (code !== 'SUCCESS') throw new WechatNotificationError('its return_code is not SUCCESS')
  // A provider with several sub-merchants configures none of them; the message names the one.
  if (!isOwnAppId(appid, appId, merchant) || mchId !== merchant.mchId || (merchant.subMchId && subMchId !== merchant.subMchId)) {
    throw new WechatNotificationError('it belongs to another account or merchant', 403)
  }
}

/**
 * attach itself could still be split differently: its end would become a field that sorts right after it, or the
 * field after it, bank_type, would become part of it. WeChat sends neither.
 */
function cutField (fields: Fields, names: readonly string[]): string | undefined {
  if (fields.attach?.includes('&') && !fields.bank_type) return 'bank_type'
  for (const name of names) {
    if (name >= 'bank_type') return undefined
    if (name > 'attach') return name
  }
}

function read (body: Uint8Array, root?: string, shape?: Shape): Fields {
  try {
    return readXml(body, root, shape)
  } catch (error) {
    throw new WechatNotificationError(`the document ${(error as Error).message}`)
  }
}

/** The answers that WeChat reads as "handled" and "send again". */
export const v2Answer = (code: 'SUCCESS' | 'FAIL'): string => ANSWERS[code]

const answer = (code: string, message: string) => `<xml><return_code><![CDATA[${code}]]></return_code><return_msg><![CDATA[${message}]]></return_msg></xml>`
const ANSWERS = { SUCCESS: answer('SUCCESS', 'OK'), FAIL: answer('FAIL', 'FAIL') } as const
