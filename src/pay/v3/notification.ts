/** APIv3 notifications: WeChat Pay APIv3 documentation, "Payment notification" and "Refund notification". Verified first, decrypted second. */
import { WechatNotificationError } from '../../errors.ts'
import { parseJson } from '../../json.ts'
import { isOwnAppId } from '../merchant.ts'
import type { CheckedV3 } from '../merchant.ts'
import type { Payment } from '../order.ts'
import type { Refund } from '../refund.ts'
import { verifyMessage } from './message.ts'
import type { Headers } from './message.ts'
import { asCombined, asOrder, asRefund, belongs, isForeign, isReceiver, isSharing } from './payment.ts'
import type { Json } from './payment.ts'
import type { PlatformKeys } from './platform-keys.ts'
import { decryptResource } from './resource.ts'

/** A genuine message. `eventId` is the same each time WeChat sends it. */
export type V3Notification = { eventId: string, eventType: string } & (
  | { kind: 'payment', payment: Payment, raw: Json }
  /** A combined order: one payment for each of its orders. */
  | { kind: 'payments', payments: Payment[], raw: Json }
  | { kind: 'refund', refund: Refund, raw: Json }
  /** Any other event; `raw` is the decrypted content. `originalType`, `summary`: WeChat's values, '' if missing. */
  | { kind: 'event', originalType: string, summary: string, topic: string | undefined, raw: Json }
)

/** Refused like any other wrong signature, but no reason for an alarm: WeChat sends it to test whether signatures are verified. */
export class SignatureProbe extends WechatNotificationError {
  constructor () {
    super('its signature is WeChat\'s own probe', 401)
  }
}

interface Envelope { id: string, event_type: string, summary: string, resource: { algorithm: string, ciphertext: string, nonce: string, associated_data?: string, original_type?: string } }

/**
 * @param body the bytes as received
 * @throws WechatNotificationError saying why it is refused, without quoting it
 */
export async function readV3Notification (headers: Headers, body: Uint8Array, appId: string, merchant: CheckedV3, keyFor: PlatformKeys['keyFor']): Promise<V3Notification> {
  const verdict = await verifyMessage(headers, body, keyFor)
  if (verdict === 'probe') throw new SignatureProbe()
  if (verdict !== 'genuine') throw new WechatNotificationError(WORDS[verdict], 401)
  const { id: eventId, event_type: eventType, summary, resource } = envelope(body)
  const raw = opened(resource, merchant)

  // WeChat signs for all merchants with the same key and uses one event_type for several kinds: only the contents show whose it is and what it is.
  if (raw.combine_out_trade_no !== undefined && (Array.isArray(raw.sub_orders) || eventType === 'TRANSACTION.SUCCESS')) {
    if (!isOwnAppId(raw.combine_appid, appId, merchant) || raw.combine_mchid !== merchant.mchId || isForeign(raw, appId, merchant)) throw foreign()
    const payments = asCombined(raw)
    if (!payments) throw new WechatNotificationError('fields of a payment are missing or malformed')
    return { kind: 'payments', eventId, eventType, payments, raw }
  }
  if (raw.out_trade_no !== undefined && raw.trade_state !== undefined) {
    const payment = asOrder(raw)
    // Unpaid orders are events of other products (TRANSACTION.FAIL, TRANSACTION.PAY_BACK). This type is always a payment.
    if (payment?.state === 'SUCCESS' || eventType === 'TRANSACTION.SUCCESS') {
      if (!belongs(raw, appId, merchant)) throw foreign()
      if (payment?.state !== 'SUCCESS') throw new WechatNotificationError('fields of a payment are missing or malformed')
      return { kind: 'payment', eventId, eventType, payment: payment as Payment, raw }
    }
  } else if (raw.out_refund_no !== undefined && raw.refund_status !== undefined) {
    if ((raw.sp_mchid ?? raw.mchid) !== merchant.mchId || (merchant.subMchId !== undefined && raw.sub_mchid !== merchant.subMchId) || isForeign(raw, appId, merchant)) throw foreign()
    const refund = asRefund(raw, merchant)
    if (!refund || refund.state === 'PROCESSING') throw new WechatNotificationError('fields of a refund are missing or malformed')
    return { kind: 'refund', eventId, eventType, refund, raw }
  }
  if (isForeign(raw, appId, merchant) && !isReceiver(raw, merchant)) throw foreign()
  return { kind: 'event', eventId, eventType, originalType: typeof resource.original_type === 'string' ? resource.original_type : '', summary, topic: isSharing(raw) ? 'profitsharing' : undefined, raw }
}

const WORDS = { unsigned: 'the signature is missing', false: 'the signature is wrong', stale: 'it is older or newer than five minutes', 'unknown key': 'it is signed with an unknown key' } as const

const foreign = () => new WechatNotificationError('it belongs to another account or merchant', 403)

const UTF8 = new TextDecoder('utf-8', { fatal: true })

/** A notification's envelope. An answer to a call is signed with the same key, but has a different format. */
function envelope (body: Uint8Array): Envelope {
  let json: unknown
  try { json = parseJson(UTF8.decode(body)) } catch { /* reported below */ }
  const { id, event_type: type, resource_type: kind, summary, resource } = (json ?? {}) as Partial<Envelope & { resource_type: string }>
  const texts = [id, type, resource?.ciphertext, resource?.nonce]
  if (kind !== 'encrypt-resource' || resource?.algorithm !== 'AEAD_AES_256_GCM' || !texts.every(text => typeof text === 'string' && text !== '')) {
    throw new WechatNotificationError('it is not in a notification\'s format')
  }
  return { id: id as string, event_type: type as string, resource: resource as Envelope['resource'], summary: typeof summary === 'string' ? summary : '' }
}

function opened (resource: Envelope['resource'], { apiV3Keys }: CheckedV3): Json {
  let text: string
  let json: unknown
  try {
    text = decryptResource(resource, apiV3Keys).toString()
  } catch {
    throw new WechatNotificationError('it was not encrypted with this merchant\'s key', 401)
  }
  try { json = parseJson(text) } catch { /* reported below */ }
  if (json === null || typeof json !== 'object') throw new WechatNotificationError('its content is not JSON, or has a member named __proto__')
  // An array does not even say whose it is.
  if (Array.isArray(json)) throw foreign()
  return json as Json
}

/** The answer that WeChat reads as "send again"; for "handled" the status 200 or 204 is enough. */
export const v3Refusal = JSON.stringify({ code: 'FAIL', message: 'failed' })
