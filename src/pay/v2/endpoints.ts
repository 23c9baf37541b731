/**
 * How v2 calls differ: which ones require a certificate, how they name the ids, which signature type they
 * accept, and whether the answer is signed. WeChat Pay v2 documentation, one page per call.
 */
import type { SignType } from './sign.ts'

export interface Endpoint {
  /** Requires the merchant's client certificate. */
  cert?: boolean
  /** The field names of the account's and the merchant's ids; `false` if the call has none. */
  appid?: 'appid' | 'wxappid' | 'mch_appid' | false
  mchId?: 'mch_id' | 'mchid'
  /** The only signature type it accepts, whatever the merchant's is. */
  signType?: SignType
  /** False for older calls without a sign_type field. */
  namesSignType?: boolean
  /** False if WeChat does not sign the answer: then only TLS protects it. */
  signedReply?: boolean
  /** WeChat acts at most once on the same number, so an unknown outcome may be retried. */
  repeatable?: boolean
  /** False if `return_code` SUCCESS is the answer's only sign of success. */
  resultCode?: boolean
  /** An element of the answer with nested elements; its inner XML is returned as text. */
  list?: string
}

const payout = { cert: true, signType: 'MD5', namesSignType: false, signedReply: false, repeatable: true } satisfies Endpoint
const sharing = { signType: 'HMAC-SHA256', repeatable: true } satisfies Endpoint

const ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  '/pay/unifiedorder': { repeatable: true },
  '/pay/orderquery': { repeatable: true },
  '/pay/closeorder': { repeatable: true },
  '/pay/refundquery': { repeatable: true },
  // The money moves at once and the payer's code works once: query an unknown outcome, never send it again.
  '/pay/micropay': { repeatable: false },
  '/secapi/pay/reverse': { cert: true, repeatable: true },
  '/secapi/pay/refund': { cert: true, repeatable: true },
  '/pay/downloadbill': { repeatable: true },
  '/pay/downloadfundflow': { cert: true, signType: 'HMAC-SHA256', repeatable: true },
  '/billcommentsp/batchquerycomment': { cert: true, signType: 'HMAC-SHA256', repeatable: true },
  '/tools/shorturl': { repeatable: true },
  '/tools/authcodetoopenid': { repeatable: true },
  '/payitil/report': { signedReply: false, repeatable: true },
  '/mmpaymkttransfers/sendredpack': { ...payout, appid: 'wxappid' },
  '/mmpaymkttransfers/sendgroupredpack': { ...payout, appid: 'wxappid' },
  '/mmpaymkttransfers/gethbinfo': { ...payout, list: 'hblist' },
  '/mmpaymkttransfers/promotion/transfers': { ...payout, appid: 'mch_appid', mchId: 'mchid' },
  '/mmpaymkttransfers/gettransferinfo': payout,
  '/mmpaysptrans/pay_bank': { ...payout, appid: false },
  '/mmpaysptrans/query_bank': { ...payout, appid: false },
  '/secapi/pay/profitsharing': { ...sharing, cert: true },
  '/secapi/pay/multiprofitsharing': { ...sharing, cert: true },
  '/secapi/pay/profitsharingfinish': { ...sharing, cert: true },
  '/secapi/pay/profitsharingreturn': { ...sharing, cert: true },
  '/pay/profitsharingquery': { ...sharing, appid: false },
  '/pay/profitsharingreturnquery': sharing,
  '/pay/profitsharingorderamountquery': { ...sharing, appid: false, resultCode: false },
  '/pay/profitsharingaddreceiver': sharing,
  '/pay/profitsharingremovereceiver': sharing
}

export const endpointOf = (path: string): Endpoint => ENDPOINTS[path] ?? {}
