import type { KeyObject } from 'node:crypto'
import { WechatConfigError } from '../errors.ts'
import type { ClientCertificate } from '../http.ts'
import { MERCHANT } from '../option-shapes.ts'
import { requireId, requireSecret } from '../options.ts'
import { object } from '../shapes.ts'
import { checkCertificate } from './certificate.ts'
import type { CertificateOptions } from './certificate.ts'
import type { SignType } from './v2/sign.ts'
import { readPrivateKey, readPublicKey, serialOf } from './v3/keys.ts'

export interface MerchantV2 extends CertificateOptions {
  /** The 32-character API key (v2) set in WeChat Pay's console. */
  apiKey: string
  /** Signs orders, and so the notifications about them. Default MD5, as at WeChat; HMAC-SHA256 is the better one. */
  signType?: SignType
  /** WeChat's official sandbox instead of the real thing: v2 only, and today only pay by code works there. */
  sandbox?: boolean
}

export interface MerchantV3 {
  /** apiclient_key.pem: the merchant's private key, PEM. */
  privateKey: string | Uint8Array
  /** The serial number of the merchant's API certificate, hex; or give `certificate`, which holds it. */
  serialNo?: string
  /** apiclient_cert.pem, PEM. */
  certificate?: string | Uint8Array
  /** The 32-character APIv3 key set in WeChat Pay's console. */
  apiV3Key: string
  /** `PUB_KEY_ID_…`, with `publicKey`. Merchants since autumn 2024 have only these; older ones may have platform certificates instead. */
  publicKeyId?: string
  /** pub_key.pem: WeChat Pay's public key, PEM. */
  publicKey?: string | Uint8Array
}

export interface Merchant {
  mchId: string
  /** Absolute http(s) URL, without query, where WeChat sends notifications. Needed to place orders. */
  notifyUrl?: string
  /** Service provider mode: the merchant that the money is for. */
  subMchId?: string
  /** Service provider mode: that merchant's own appId, if openids are taken from it. */
  subAppId?: string
  v2?: MerchantV2
  v3?: MerchantV3
}

/** For whom a call is made. */
export interface MerchantIds {
  mchId: string
  subMchId: string | undefined
  subAppId: string | undefined
}

export interface CheckedV2 extends MerchantIds {
  apiKey: string
  signType: SignType
  certificate: ClientCertificate | undefined
  sandbox: boolean
}

export interface CheckedV3 extends MerchantIds {
  serialNo: string
  privateKey: KeyObject
  apiV3Key: string
  publicKeyId: string | undefined
  publicKey: KeyObject | undefined
}

/** A merchant whose options have been checked; has v2, v3 or both. */
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

/** For whom a call is made, of a merchant whose other options are checked. @throws WechatConfigError */
export function checkIds (mchId: string, { subMchId, subAppId }: Pick<Merchant, 'subMchId' | 'subAppId'>): MerchantIds {
  if (subMchId !== undefined) requireId('merchant.subMchId', subMchId, MCH_ID)
  if (subAppId !== undefined) {
    requireId('merchant.subAppId', subAppId)
    if (subMchId === undefined) throw new WechatConfigError('merchant.subAppId', 'belongs to a merchant.subMchId, which is missing')
  }
  return { mchId, subMchId, subAppId }
}

function checkV2 (v2: MerchantV2, ids: MerchantIds, payEndpoint: string): CheckedV2 {
  const { signType = 'MD5', sandbox = false } = v2
  const apiKey = requireSecret('merchant.v2.apiKey', v2.apiKey, 32, payEndpoint)
  return { ...ids, apiKey, signType, certificate: checkCertificate(v2, 'merchant.v2', ids.mchId), sandbox }
}

function checkV3 (v3: MerchantV3, ids: MerchantIds, payEndpoint: string): CheckedV3 {
  const privateKey = readPrivateKey('merchant.v3.privateKey', v3.privateKey)
  const apiV3Key = requireSecret('merchant.v3.apiV3Key', v3.apiV3Key, 32, payEndpoint)
  const serialNo = v3.serialNo ?? (v3.certificate && serialOf('merchant.v3.certificate', v3.certificate, privateKey))
  if (serialNo?.startsWith('PUB_KEY_ID_')) throw new WechatConfigError('merchant.v3.serialNo', 'must be the serial number of the merchant\'s certificate and is the id of WeChat Pay\'s public key: that belongs into merchant.v3.publicKeyId')
  requireId('merchant.v3.serialNo', serialNo, /^[0-9A-F]{8,64}$/i)
  const { publicKeyId } = v3
  if ((publicKeyId === undefined) !== (v3.publicKey === undefined)) throw new WechatConfigError(`merchant.v3.${publicKeyId === undefined ? 'publicKeyId' : 'publicKey'}`, 'is missing: publicKeyId and publicKey belong together')
  if (publicKeyId !== undefined) requireId('merchant.v3.publicKeyId', publicKeyId, /^PUB_KEY_ID_[0-9A-Za-z]{1,64}$/)
  return {
    ...ids,
    serialNo: (serialNo as string).toUpperCase(),
    privateKey,
    apiV3Key,
    publicKeyId,
    publicKey: v3.publicKey === undefined ? undefined : readPublicKey('merchant.v3.publicKey', v3.publicKey)
  }
}
