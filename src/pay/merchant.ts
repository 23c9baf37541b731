import type { KeyObject } from 'node:crypto'
import { WechatConfigError } from '../errors.ts'
import type { ClientCertificate } from '../http/http.ts'
import { MERCHANT } from '../option-shapes.ts'
import { requireId, requireSecret } from '../options.ts'
import { object } from '../shapes.ts'
import { checkCertificate } from './certificate.ts'
import type { CertificateOptions } from './certificate.ts'
import type { SignType } from './v2/sign.ts'
import { readCertificate, readPrivateKey, readPublicKey } from './v3/keys.ts'
import { isRemote } from './v3/sign.ts'
import type { RemoteKey, SigningKey } from './v3/sign.ts'

export interface MerchantV2 extends CertificateOptions {
  /** The 32-character API key (v2) set in WeChat Pay's console. While you change it, a list: the first signs, all are accepted. */
  apiKey: string | readonly string[]
  /** The signature type of orders, and so of their notifications. Default MD5, as at WeChat; HMAC-SHA256 is better. */
  signType?: SignType
  /** Use WeChat's official sandbox: v2 only, and at present only pay by code works there. */
  sandbox?: boolean
}

export interface MerchantV3 {
  /** apiclient_key.pem: the merchant's private key, PEM; or a signer that uses a key in a KMS or HSM. */
  privateKey: string | Uint8Array | RemoteKey
  /** The serial number of the merchant's API certificate, hex; or set `certificate`, which contains it. */
  serialNo?: string
  /** apiclient_cert.pem, PEM: contains the serial number and the expiry date. */
  certificate?: string | Uint8Array
  /** The 32-character APIv3 key set in WeChat Pay's console. While you change it, a list: all are accepted. */
  apiV3Key: string | readonly string[]
  /** `PUB_KEY_ID_…`, with `publicKey`. Merchants since autumn 2024 have only these; older ones may have platform certificates instead. */
  publicKeyId?: string
  /** pub_key.pem: WeChat Pay's public key, PEM. */
  publicKey?: string | Uint8Array
  /** Instead of the two above while WeChat Pay's public key changes: WeChat is asked to use the first; all are accepted. */
  publicKeys?: ReadonlyArray<{ id: string, key: string | Uint8Array }>
}

export interface Merchant {
  mchId: string
  /** Absolute http(s) URL, without query, where WeChat sends notifications. Needed to place orders. */
  notifyUrl?: string
  /** Further appIds bound to this merchant (mini program, app): `order.appId` selects one; messages about any of them are accepted. */
  appIds?: readonly string[]
  /** Service provider mode: the merchant that receives the money. */
  subMchId?: string
  /** Service provider mode: that merchant's own appId, if openids belong to it. */
  subAppId?: string
  v2?: MerchantV2
  v3?: MerchantV3
}

/** The account and merchant of a call. */
export interface MerchantIds {
  mchId: string
  subMchId: string | undefined
  subAppId: string | undefined
  /** Bound to the merchant in addition to the account's own. */
  appIds: readonly string[]
}

/** Whether an appId is the account's, or another one of its merchant. */
export const isOwnAppId = (given: unknown, appId: string, { appIds }: Pick<MerchantIds, 'appIds'>): boolean => given === appId || appIds.includes(given as string)

export interface CheckedV2 extends MerchantIds {
  /** Signs. */
  apiKey: string
  /** Accepted keys; the first one signs. */
  apiKeys: readonly string[]
  signType: SignType
  certificate: ClientCertificate | undefined
  sandbox: boolean
}

export interface CheckedV3 extends MerchantIds {
  serialNo: string
  /** When the merchant's certificate expires, if it is set. */
  validTo: Date | undefined
  privateKey: SigningKey
  /** Accepted keys, the newest first. */
  apiV3Keys: readonly string[]
  /** By id; WeChat is asked to sign with the first one. */
  publicKeys: ReadonlyMap<string, KeyObject>
  publicKeyId: string | undefined
  publicKey: KeyObject | undefined
}

/** A merchant with checked options; has v2, v3 or both. */
export interface CheckedMerchant extends MerchantIds {
  notifyUrl: string | undefined
  v2: CheckedV2 | undefined
  v3: CheckedV3 | undefined
}

const MCH_ID = /^\d{1,32}$/

/** @throws WechatConfigError naming the option, never its value */
export function checkMerchant (merchant: Merchant | undefined, payEndpoint: string): CheckedMerchant {
  if (!merchant) throw new WechatConfigError('merchant', 'is required')
  object(MERCHANT)(merchant, 'merchant')
  const mchId = requireId('merchant.mchId', merchant.mchId, MCH_ID)
  const { notifyUrl } = merchant
  const ids = checkIds(mchId, merchant)
  if (!merchant.v2 && !merchant.v3) throw new WechatConfigError('merchant.v3', '(or merchant.v2) is required')
  return {
    ...ids,
    notifyUrl,
    v2: merchant.v2 && checkV2(merchant.v2, ids, payEndpoint),
    v3: merchant.v3 && checkV3(merchant.v3, ids, payEndpoint)
  }
}

/** Checks the account and sub-merchant of calls; the merchant's other options are already checked. @throws WechatConfigError */
export function checkIds (mchId: string, { subMchId, subAppId, appIds = [] }: Pick<Merchant, 'subMchId' | 'subAppId' | 'appIds'>): MerchantIds {
  if (subMchId !== undefined) requireId('merchant.subMchId', subMchId, MCH_ID)
  if (subAppId !== undefined) {
    requireId('merchant.subAppId', subAppId)
    if (subMchId === undefined) throw new WechatConfigError('merchant.subAppId', 'needs merchant.subMchId, which is missing')
  }
  return { mchId, subMchId, subAppId, appIds: appIds.map((id, at) => requireId(`merchant.appIds.${at}`, id)) }
}

function checkV2 (v2: MerchantV2, ids: MerchantIds, payEndpoint: string): CheckedV2 {
  const { signType = 'MD5', sandbox = false } = v2
  const apiKeys = secrets('merchant.v2.apiKey', v2.apiKey, payEndpoint)
  return { ...ids, apiKey: apiKeys[0] as string, apiKeys, signType, certificate: checkCertificate(v2, 'merchant.v2', ids.mchId), sandbox }
}

function checkV3 (v3: MerchantV3, ids: MerchantIds, payEndpoint: string): CheckedV3 {
  const privateKey = isRemote(v3.privateKey) ? v3.privateKey : readPrivateKey('merchant.v3.privateKey', v3.privateKey)
  const apiV3Keys = secrets('merchant.v3.apiV3Key', v3.apiV3Key, payEndpoint)
  const certificate = v3.certificate === undefined ? undefined : readCertificate('merchant.v3.certificate', v3.certificate, isRemote(privateKey) ? undefined : privateKey)
  const serialNo = v3.serialNo ?? (isRemote(privateKey) ? privateKey.serialNo : undefined) ?? certificate?.serialNumber
  if (serialNo?.startsWith('PUB_KEY_ID_')) throw new WechatConfigError('merchant.v3.serialNo', 'must be the serial number of the merchant\'s certificate, but is the id of WeChat Pay\'s public key: put that into merchant.v3.publicKeyId')
  requireId('merchant.v3.serialNo', serialNo, /^[0-9A-F]{8,64}$/i)
  const publicKeys = publicKeysOf(v3)
  const [publicKeyId, publicKey] = [...publicKeys][0] ?? []
  return { ...ids, serialNo: (serialNo as string).toUpperCase(), validTo: certificate && new Date(certificate.validTo), privateKey, apiV3Keys, publicKeys, publicKeyId, publicKey }
}

function publicKeysOf ({ publicKeyId, publicKey, publicKeys }: MerchantV3): Map<string, KeyObject> {
  if (publicKeys === undefined) {
    if ((publicKeyId === undefined) !== (publicKey === undefined)) throw new WechatConfigError(`merchant.v3.${publicKeyId === undefined ? 'publicKeyId' : 'publicKey'}`, 'is missing: publicKeyId and publicKey belong together')
    return new Map(publicKeyId === undefined ? [] : [[publicKeyIdOf('merchant.v3.publicKeyId', publicKeyId), readPublicKey('merchant.v3.publicKey', publicKey)]])
  }
  if (publicKeyId !== undefined || publicKey !== undefined) throw new WechatConfigError('merchant.v3.publicKeys', 'replaces publicKeyId and publicKey: set one or the other')
  if (!Array.isArray(publicKeys) || publicKeys.length === 0) throw new WechatConfigError('merchant.v3.publicKeys', 'must be a list of { id, key }')
  return new Map(publicKeys.map(({ id, key }, at) => [publicKeyIdOf(`merchant.v3.publicKeys.${at}.id`, id), readPublicKey(`merchant.v3.publicKeys.${at}.key`, key)]))
}

const publicKeyIdOf = (option: string, id: unknown) => requireId(option, id, /^PUB_KEY_ID_[0-9A-Za-z]{1,64}$/)

/** One secret of 32 characters, or several during a change. */
function secrets (option: string, value: unknown, endpoint: string): string[] {
  if (!Array.isArray(value)) return [requireSecret(option, value, 32, endpoint)]
  if (value.length === 0) throw new WechatConfigError(option, 'is required')
  return value.map((secret, at) => requireSecret(`${option}.${at}`, secret, 32, endpoint))
}
