import { WechatConfigError } from '../errors.ts'
import { requireId, requireSecret } from '../options.ts'
import type { SignType } from './v2/sign.ts'

export interface MerchantV2 {
  /** The 32-character API key (v2) set in WeChat Pay's console. */
  apiKey: string
  /** Signs orders, and so the notifications about them. Default MD5, as at WeChat; HMAC-SHA256 is the better one. */
  signType?: SignType
}

export interface Merchant {
  mchId: string
  /** Absolute http(s) URL, without query, where WeChat sends notifications. Needed to place orders. */
  notifyUrl?: string
  v2?: MerchantV2
}

/** A merchant whose options have been checked. */
export interface CheckedMerchant {
  mchId: string
  notifyUrl: string | undefined
  apiKey: string
  signType: SignType
}

/** @throws WechatConfigError naming the option, never its value */
export function checkMerchant (merchant: Merchant | undefined, payEndpoint: string): CheckedMerchant {
  if (!merchant) throw new WechatConfigError('merchant', 'is required')
  const mchId = requireId('merchant.mchId', merchant.mchId, /^\d{1,32}$/)
  if (!merchant.v2) throw new WechatConfigError('merchant.v2', 'is required')
  const apiKey = requireSecret('merchant.v2.apiKey', merchant.v2.apiKey, 32, payEndpoint)
  const signType = merchant.v2.signType ?? 'MD5'
  if (signType !== 'MD5' && signType !== 'HMAC-SHA256') throw new WechatConfigError('merchant.v2.signType', 'must be MD5 or HMAC-SHA256')
  const { notifyUrl } = merchant
  if (notifyUrl !== undefined && (!URL.canParse(notifyUrl) || !/^https?:\/\/[^?#]+$/.test(notifyUrl))) {
    throw new WechatConfigError('merchant.notifyUrl', 'must be an absolute http(s) URL without query')
  }
  return { mchId, notifyUrl, apiKey, signType }
}
