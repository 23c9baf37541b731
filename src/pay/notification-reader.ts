/** Reads notifications of both versions. A message's version is decided by verification, not by what it claims. */
import { WechatNotificationError } from '../errors.ts'
import type { CheckedMerchant } from './merchant.ts'
import { readV2Notification } from './v2/notification.ts'
import type { V2Notification } from './v2/notification.ts'
import { readV3Notification } from './v3/notification.ts'
import type { V3Notification } from './v3/notification.ts'
import type { Headers } from './v3/message.ts'
import type { PlatformKeys } from './v3/platform-keys.ts'

/** A genuine message of either version. */
export type Notification = (V2Notification & { version: 'v2' }) | (V3Notification & { version: 'v3' })

/** Only for the format of a refusal. */
export const claimsV3 = ({ headers }: { headers: Headers }): boolean => headers['wechatpay-signature'] !== undefined

/** The returned function throws WechatNotificationError if neither version can verify the message. */
export function createNotificationReader (appId: string, { v2, v3 }: CheckedMerchant, keys: PlatformKeys | undefined) {
  return async (headers: Headers, body: Uint8Array): Promise<Notification> => {
    const v3First = v3 && keys && claimsV3({ headers })
    try {
      if (v3First) return { version: 'v3', ...await readV3Notification(headers, body, appId, v3, keys.keyFor) }
    } catch (error) {
      if (!(error instanceof WechatNotificationError) || !v2 || body[0] !== 0x3c) throw error
      // A v2 document with v3 headers may still be genuine: verify it as v2.
      return { version: 'v2', ...v2Or(error) }
    }
    if (!v2) throw new WechatNotificationError('it is not signed', 401)
    return { version: 'v2', ...readV2Notification(body, appId, v2) }

    function v2Or (error: WechatNotificationError): V2Notification {
      try {
        return readV2Notification(body, appId, v2 as NonNullable<typeof v2>)
      } catch {
        throw error
      }
    }
  }
}
