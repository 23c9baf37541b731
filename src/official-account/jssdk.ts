/** The signature that lets a page use WeChat's JS-SDK: JS-SDK documentation, appendix 1. */
import { digest } from '../digest.ts'
import { WechatInputError } from '../errors.ts'
import { nonce } from '../nonce.ts'

export interface JssdkConfigOptions {
  /** JS-SDK functions the page will call. Default `['chooseWXPay']`. */
  jsApiList?: string[]
  /** Open tags the page will use. */
  openTagList?: string[]
  /** Makes WeChat show the result of each call; for development. */
  debug?: boolean
}

/** The argument of `wx.config`. */
export interface JssdkConfig {
  appId: string
  /** Seconds since 1970. */
  timestamp: number
  nonceStr: string
  signature: string
  jsApiList: string[]
  openTagList?: string[]
  debug?: boolean
}

export interface JssdkSignInput {
  jsapi_ticket: string
  noncestr: string
  timestamp: number
  /** The page's URL as its browser has it, without `#` and what follows. */
  url: string
}

/** The signature, lower-case hex. Names and order are WeChat's; values are not encoded. */
export function signJssdk ({ jsapi_ticket: ticket, noncestr, timestamp, url }: JssdkSignInput): string {
  return digest('sha1', `jsapi_ticket=${ticket}&noncestr=${noncestr}&timestamp=${timestamp}&url=${url}`)
}

/** The complete argument of `wx.config` for a page. `url` is signed byte for byte, without its fragment. */
export function jssdkConfig (appId: string, ticket: string, url: string, { jsApiList = ['chooseWXPay'], openTagList, debug }: JssdkConfigOptions = {}): JssdkConfig {
  const timestamp = Math.floor(Date.now() / 1000)
  const nonceStr = nonce()
  const signature = signJssdk({ jsapi_ticket: ticket, noncestr: nonceStr, timestamp, url: withoutFragment(url) })
  return {
    appId,
    timestamp,
    nonceStr,
    signature,
    jsApiList,
    ...(openTagList && { openTagList }),
    ...(debug !== undefined && { debug })
  }
}

/** @throws WechatInputError if `url` is not a string */
export function withoutFragment (url: string): string {
  if (typeof url !== 'string') throw new WechatInputError('url', 'must be the URL of the page')
  const hash = url.indexOf('#')
  return hash === -1 ? url : url.slice(0, hash)
}

/**
 * The host (and port, if any) of a page's URL, in lower case; undefined for anything that a browser would not show
 * as a page's URL, or would parse differently.
 */
export function pageHost (url: string): string | undefined {
  // Rejects user names, backslashes, blanks, control characters and trailing dots; normalizes nothing.
  return /^https?:\/\/([a-z0-9.-]*[a-z0-9]|\[[0-9a-f:.]+\])(:\d{1,5})?(?=[/?#]|$)[^\\\x00-\x20\x7f?#]*(?:[?#][^\x00-\x20\x7f]*)?$/i.exec(url)?.slice(1, 3).join('').toLowerCase()
}
