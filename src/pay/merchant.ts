import { WechatConfigError } from '../errors.ts'
import type { ClientCertificate } from '../http.ts'
import { requireId, requireSecret } from '../options.ts'
import { checkCertificate } from './certificate.ts'
import type { CertificateOptions } from './certificate.ts'
import type { SignType } from './v2/sign.ts'

export interface MerchantV2 extends CertificateOptions {
  /** The 32-character API key (v2) set in WeChat Pay's console. */
  apiKey: string
  /** Signs orders, and so the notifications about them. Default MD5, as at WeChat; HMAC-SHA256 is the better one. */
  signType?: SignType
  /** WeChat's official sandbox instead of the real thing: v2 only, and today only pay by code works there. */
  sandbox?: boolean
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

/** A merchant whose options have been checked. */
export interface CheckedMerchant extends MerchantIds {
  notifyUrl: string | undefined
  v2: CheckedV2
}

const MCH_ID = /^\d{1,32}$/

/** @throws WechatConfigError naming the option, never its value */
export function checkMerchant (merchant: Merchant | undefined, payEndpoint: string): CheckedMerchant {
  if (!merchant) throw new WechatConfigError('merchant', 'is required')
  const mchId = requireId('merchant.mchId', merchant.mchId, MCH_ID)
  const { notifyUrl, subMchId, subAppId } = merchant
  if (subMchId !== undefined) requireId('merchant.subMchId', subMchId, MCH_ID)
  if (subAppId !== undefined) {
    requireId('merchant.subAppId', subAppId)
    if (subMchId === undefined) throw new WechatConfigError('merchant.subAppId', 'belongs to a merchant.subMchId, which is missing')
  }
  if (notifyUrl !== undefined && (!URL.canParse(notifyUrl) || !/^https?:\/\/[^?#]+$/.test(notifyUrl))) {
    throw new WechatConfigError('merchant.notifyUrl', 'must be an absolute http(s) URL without query')
  }
  const ids = { mchId, subMchId, subAppId }
  return { ...ids, notifyUrl, v2: checkV2(merchant.v2, ids, payEndpoint) }
}

function checkV2 (v2: MerchantV2 | undefined, ids: MerchantIds, payEndpoint: string): CheckedV2 {
  if (!v2) throw new WechatConfigError('merchant.v2', 'is required')
  const { signType = 'MD5', sandbox = false } = v2
  const apiKey = requireSecret('merchant.v2.apiKey', v2.apiKey, 32, payEndpoint)
  if (signType !== 'MD5' && signType !== 'HMAC-SHA256') throw new WechatConfigError('merchant.v2.signType', 'must be MD5 or HMAC-SHA256')
  return { ...ids, apiKey, signType, certificate: checkCertificate(v2, 'merchant.v2', ids.mchId), sandbox }
}
