import { WechatConfigError } from './errors.ts'

/** Base URLs of WeChat's hosts. Point them at the emulator in development; leave them out in production. */
export interface Endpoints {
  /** Official Account calls. */
  api?: string
  /** The authorize page the visitor's browser is sent to. */
  open?: string
  /** WeChat Pay. */
  pay?: string
  /** WeChat Pay's stand-by host, tried when `pay` does not answer. */
  payBackup?: string
}

const WECHAT: Required<Endpoints> = {
  api: 'https://api.weixin.qq.com',
  open: 'https://open.weixin.qq.com',
  pay: 'https://api.mch.weixin.qq.com',
  payBackup: 'https://api2.mch.weixin.qq.com'
}

/** Where WeChat Pay itself is, whatever the configured endpoints are. */
export const WECHAT_PAY = [WECHAT.pay, WECHAT.payBackup] as const

/** Every secret that the emulator makes up begins so; WeChat's own never do (they are hex, or chosen by the merchant). */
const EMULATOR_MARK = 'emulator'

/** @throws WechatConfigError if a base URL is not absolute http(s). */
export function resolveEndpoints (given: Endpoints = {}): Required<Endpoints> {
  const resolved = { ...WECHAT }
  for (const name of Object.keys(WECHAT) as Array<keyof Endpoints>) {
    const value = given[name]
    if (value === undefined) continue
    const url = URL.canParse(value) ? new URL(value) : undefined
    if (!url || !/^https?:$/.test(url.protocol) || url.search || url.hash || url.username) {
      throw new WechatConfigError(`endpoints.${name}`, 'must be an absolute http(s) base URL')
    }
    resolved[name] = value.replace(/\/+$/, '')
  }
  // Someone who redirects payments must not have a failed one repeated at the real WeChat.
  if (given.pay !== undefined && given.payBackup === undefined) resolved.payBackup = resolved.pay
  return resolved
}

/** An id: not secret, but it goes into URLs, headers and keys. */
export function requireId (option: string, value: unknown, pattern = /^[\x21-\x7e]{1,64}$/): string {
  if (typeof value !== 'string' || value === '') throw new WechatConfigError(option, 'is required')
  if (!pattern.test(value)) throw new WechatConfigError(option, 'is malformed')
  return value
}

const PLACEHOLDER = /your|change.?me|placeholder|replace.?me|todo|^([x0*.-])\1+$|^[<{[]/i

/**
 * A secret of a fixed length, refused when it is empty, a placeholder, of another length,
 * or the emulator's while the call would go to the real WeChat.
 */
export function requireSecret (option: string, value: unknown, length: number, endpoint: string): string {
  if (typeof value !== 'string' || value === '') throw new WechatConfigError(option, 'is required')
  if (PLACEHOLDER.test(value)) throw new WechatConfigError(option, 'is still a placeholder')
  if (!new RegExp(`^[\\x21-\\x7e]{${length}}$`).test(value)) throw new WechatConfigError(option, `must have ${length} characters`)
  if (value.startsWith(EMULATOR_MARK) && Object.values(WECHAT).includes(endpoint)) {
    throw new WechatConfigError(option, 'is an emulator\'s key, but the endpoints are WeChat\'s own')
  }
  return value
}
