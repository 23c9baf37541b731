/** APIv3 notifications: WeChat Pay APIv3 documentation, "Payment notification" and "Refund notification". Verified first, decrypted second. */
import { WechatNotificationError } from '../../errors.ts'
import { parseJson } from '../../json.ts'
import { isOwnAppId } from '../merchant.ts'
import type { CheckedV3 } from '../merchant.ts'
import type { Payment } from '../order.ts'
import type { Refund } from '../refund.ts'
import { judge } from './message.ts'
import type { Headers } from './message.ts'
import { asCombined, asOrder, asRefund, belongs, isForeign, isReceiver, isSharing } from './payment.ts'
import type { Json } from './payment.ts'
import type { PlatformKeys } from './platform-keys.ts'
import { decryptResource } from './resource.ts'

/** A genuine message. `eventId` is the same each time WeChat sends it. */
export type V3Notification = { eventId: string, eventType: string } & (
  | { kind: 'payment', payment: Payment, raw: Json }
  /** A combined order: a payment for each of its parts. */
  | { kind: 'payments', payments: Payment[], raw: Json }
  | { kind: 'refund', refund: Refund, raw: Json }
  /** Anything else WeChat tells; `raw` is what was decrypted. `originalType`, `summary`: as WeChat says them, '' if it does not. */
  | { kind: 'event', originalType: string, summary: string, topic: string | undefined, raw: Json }
)

/** Refused like any other, but no reason for an alarm: WeChat itself sent it to see whether signatures are looked at. */
export class SignatureProbe extends WechatNotificationError {
  constructor () {
    super('its signature is WeChat\'s own probe', 401)
  }
}

interface Envelope { id: string, event_type: string, resource_type: string, summary: string, resource: { algorithm: string, ciphertext: string, nonce: string, associated_data?: string, original_type?: string } }

/**
 * @param body the bytes as received
 * @throws WechatNotificationError saying why it is refused, without quoting it
 */
export async function readV3Notification (headers: Headers, body: Uint8Array, appId: string, merchant: CheckedV3, keyFor: PlatformKeys['keyFor']): Promise<V3Notification> {
  const verdict = await judge(headers, body, keyFor)
  if (verdict === 'probe') throw new SignatureProbe()
  if (verdict !== 'genuine') throw new WechatNotificationError(WORDS[verdict], 401)
  const { id: eventId, event_type: eventType, summary, resource } = envelope(body)
  const raw = opened(resource, merchant)

  // The key that signs serves all merchants, and one event_type several kinds: whose it is and what it is, its contents say.
  if (raw.combine_out_trade_no !== undefined && (Array.isArray(raw.sub_orders) || eventType === 'TRANSACTION.SUCCESS')) {
    if (!isOwnAppId(raw.combine_appid, appId, merchant) || raw.combine_mchid !== merchant.mchId || isForeign(raw, appId, merchant)) throw foreign()
    const payments = asCombined(raw)
    if (!payments) throw new WechatNotificationError('fields of a payment are missing or not of their form')
    return { kind: 'payments', eventId, eventType, payments, raw }
  }
  if (raw.out_trade_no !== undefined && raw.trade_state !== undefined) {
    const payment = asOrder(raw)
    // Other products tell of orders that were not paid (TRANSACTION.FAIL, TRANSACTION.PAY_BACK): events. This type never does.
    if (payment?.state === 'SUCCESS' || eventType === 'TRANSACTION.SUCCESS') {
      if (!belongs(raw, appId, merchant)) throw foreign()
      if (payment?.state !== 'SUCCESS') throw new WechatNotificationError('fields of a payment are missing or not of their form')
      return { kind: 'payment', eventId, eventType, payment: payment as Payment, raw }
    }
  } else if (raw.out_refund_no !== undefined && raw.refund_status !== undefined) {
    if ((raw.sp_mchid ?? raw.mchid) !== merchant.mchId || (merchant.subMchId !== undefined && raw.sub_mchid !== merchant.subMchId) || isForeign(raw, appId, merchant)) throw foreign()
    const refund = asRefund(raw, merchant)
    if (!refund || refund.state === 'PROCESSING') throw new WechatNotificationError('fields of a refund are missing or not of their form')
    return { kind: 'refund', eventId, eventType, refund, raw }
  }
  if (isForeign(raw, appId, merchant) && !isReceiver(raw, merchant)) throw foreign()
  return { kind: 'event', eventId, eventType, originalType: typeof resource.original_type === 'string' ? resource.original_type : '', summary, topic: isSharing(raw) ? 'profitsharing' : undefined, raw }
}

const WORDS = { unsigned: 'the signature is missing', false: 'the signature is wrong', stale: 'it is older or newer than five minutes', 'unknown key': 'it is signed with a key that is not known here' } as const

const foreign = () => new WechatNotificationError('it belongs to another account or merchant', 403)

/** A notification's outer form. An answer to a call is signed with the same key, and has another. */
function envelope (body: Uint8Array): Envelope {
  let json: unknown
  try { json = parseJson(new TextDecoder('utf-8', { fatal: true }).decode(body)) } catch { /* said below */ }
  const { id, event_type: type, resource_type: kind, summary, resource } = (json ?? {}) as Partial<Envelope>
  const texts = [id, type, resource?.ciphertext, resource?.nonce]
  if (kind !== 'encrypt-resource' || resource?.algorithm !== 'AEAD_AES_256_GCM' || !texts.every(text => typeof text === 'string' && text !== '')) {
    throw new WechatNotificationError('it is not of a notification\'s form')
  }
  return { ...json as Envelope, summary: typeof summary === 'string' ? summary : '' }
}

function opened (resource: Envelope['resource'], { apiV3Keys }: CheckedV3): Json {
  let text: string
  let json: unknown
  try {
    text = decryptResource(resource, apiV3Keys).toString()
  } catch {
    throw new WechatNotificationError('it was not encrypted with this merchant\'s key', 401)
  }
  try { json = parseJson(text) } catch { /* said below */ }
  if (json === null || typeof json !== 'object') throw new WechatNotificationError('what it holds is not JSON, or has a member of an odd name')
  // A list says not even whose it is.
  if (Array.isArray(json)) throw foreign()
  return json as Json
}

/** What WeChat reads as "send it again"; "handled" is a status of 200 or 204 alone. */
export const v3Refusal = JSON.stringify({ code: 'FAIL', message: 'failed' })
