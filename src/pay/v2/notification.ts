/** A v2 payment notification: WeChat Pay v2 documentation, "Payment result notification". Nothing is believed before it is verified. */
import { WechatNotificationError } from '../../errors.ts'
import type { CheckedMerchant } from '../merchant.ts'
import type { Payment } from '../order.ts'
import { asPayment, oddField } from './payment.ts'
import { verifyV2 } from './sign.ts'
import { readXml } from './xml.ts'
import type { Fields } from './xml.ts'

/** A genuine message: a payment, or the news that an attempt to pay failed. */
export type V2Notification =
  | { kind: 'payment', payment: Payment, raw: Fields }
  | { kind: 'failure', raw: Fields }

/**
 * @param body the bytes as received
 * @throws WechatNotificationError saying why it is refused, without quoting it
 */
export function readV2Notification (body: Uint8Array, appId: string, merchant: CheckedMerchant): V2Notification {
  const fields = read(body)
  if (!verifyV2(fields, merchant.apiKey, merchant.signType)) throw new WechatNotificationError('the signature is missing or wrong', 401)
  const odd = oddField(fields) ?? cutField(fields)
  if (odd) throw new WechatNotificationError(`the field ${odd} is not of its form`)
  if (fields.return_code !== 'SUCCESS') throw new WechatNotificationError('it reports no success of the call')
  if (fields.appid !== appId || fields.mch_id !== merchant.mchId) throw new WechatNotificationError('it belongs to another account or merchant', 403)
  if (fields.result_code === 'FAIL') return { kind: 'failure', raw: fields }
  const payment = fields.result_code === 'SUCCESS' ? asPayment(fields, 'SUCCESS') : undefined
  if (!payment) throw new WechatNotificationError('fields of a payment are missing')
  return { kind: 'payment', payment, raw: fields }
}

/**
 * attach itself could still be cut shorter or longer: its tail would become a field that sorts right behind it, or the
 * field behind it, bank_type, would be swallowed. Neither shape is WeChat's.
 */
function cutField (fields: Fields): string | undefined {
  if (fields.attach?.includes('&') && !fields.bank_type) return 'bank_type'
  return Object.keys(fields).find(name => name > 'attach' && name < 'bank_type')
}

function read (body: Uint8Array): Fields {
  try {
    return readXml(body)
  } catch (error) {
    throw new WechatNotificationError(`the document ${(error as Error).message}`)
  }
}

/** What WeChat reads as "handled" or "send it again". */
export function v2Answer (code: 'SUCCESS' | 'FAIL'): string {
  return `<xml><return_code><![CDATA[${code}]]></return_code><return_msg><![CDATA[${code === 'SUCCESS' ? 'OK' : 'FAIL'}]]></return_msg></xml>`
}
