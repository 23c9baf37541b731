/** What a notification claims before it is verified: used only to select whose keys to try. */
import type { AccountOptions } from '../account.ts'
import { isOwnAppId } from './merchant.ts'
import type { Headers } from './v3/message.ts'
import { decryptResource } from './v3/resource.ts'
import type { EncryptedResource } from './v3/resource.ts'
import { readXml } from './v2/xml.ts'

/** Unverified: anyone can write these. */
export interface NotificationClaims {
  version: 'v2' | 'v3'
  /** v3: `Wechatpay-Serial`, a certificate's serial number or a `PUB_KEY_ID_…`. */
  serial?: string
  /** v2 only: in v3 they are encrypted. */
  appId?: string
  mchId?: string
  subMchId?: string
}

export function claimsOf (headers: Headers, body: Uint8Array): NotificationClaims {
  const serial = headers['wechatpay-serial']
  if (body[0] !== 0x3c) return { version: 'v3', ...(typeof serial === 'string' && { serial }) }
  try {
    const { appid: appId, mch_id: mchId, sub_mch_id: subMchId } = readXml(body)
    return { version: 'v2', ...(appId && { appId }), ...(mchId && { mchId }), ...(subMchId && { subMchId }) }
  } catch {
    return { version: 'v2' }
  }
}

/** The returned function says whether to try an account's keys: a cheap filter, not a proof. */
export function mayBelong (claims: NotificationClaims, body: Uint8Array): (options: AccountOptions) => boolean {
  if (claims.version === 'v2') {
    return ({ appId, merchant }) => merchant?.v2 !== undefined && claims.mchId === merchant.mchId && isOwnAppId(claims.appId, appId, { appIds: [], ...merchant }) &&
      (merchant.subMchId === undefined || claims.subMchId === merchant.subMchId)
  }
  const resource = resourceIn(body)
  const publicKeyId = claims.serial?.startsWith('PUB_KEY_ID_') ? claims.serial : undefined
  return ({ merchant }) => {
    const v3 = merchant?.v3
    if (!v3 || !resource) return false
    if (publicKeyId !== undefined && v3.publicKeyId !== publicKeyId && !v3.publicKeys?.some(({ id }) => id === publicKeyId)) return false
    return opens(resource, v3.apiV3Key)
  }
}

function resourceIn (body: Uint8Array): EncryptedResource | undefined {
  try {
    return (JSON.parse(Buffer.from(body).toString()) as { resource?: EncryptedResource }).resource
  } catch {
    return undefined
  }
}

function opens (resource: EncryptedResource, keys: string | readonly string[]): boolean {
  try {
    return decryptResource(resource, keys).length > 0
  } catch {
    return false
  }
}
