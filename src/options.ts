import { WechatConfigError } from './errors.ts'
import { ENDPOINTS } from './option-shapes.ts'
import { object } from './shapes.ts'

/** Base URLs of WeChat's hosts. Point them at the emulator in development; leave them out in production. */
export interface Endpoints {
  /** Official Account calls. */
  api?: string
  /** The authorize page the visitor's browser is sent to. */
  open?: string
  /** The page where an account's owner authorizes a third-party platform on a PC. */
  mp?: string
  /** WeChat Pay. */
  pay?: string
  /** WeChat Pay's backup host, tried when `pay` does not answer. */
  payBackup?: string
}

const WECHAT: Required<Endpoints> = {
  api: 'https://api.weixin.qq.com',
  open: 'https://open.weixin.qq.com',
  mp: 'https://mp.weixin.qq.com',
  pay: 'https://api.mch.weixin.qq.com',
  payBackup: 'https://api2.mch.weixin.qq.com'
}

/** WeChat Pay's real hosts, independent of the configured endpoints. */
export const WECHAT_PAY = [WECHAT.pay, WECHAT.payBackup] as const

/** The prefix of every secret that the emulator generates. WeChat's own secrets never have it (they are hex, or chosen by the merchant). */
const EMULATOR_MARK = 'emulator'

/**
 * Set by the module that `wechat-emulator exec` preloads, once connections to WeChat's hosts are diverted to the
 * emulator. Not an environment variable: one might be left over in a process where nothing is diverted.
 */
const DIVERTED = Symbol.for('fastify-wechat-pay.emulator.diverted')

/** @throws WechatConfigError if a base URL is not absolute http(s). */
export function resolveEndpoints (given: Endpoints = {}): Required<Endpoints> {
  const resolved = { ...WECHAT }
  object(ENDPOINTS)(given, 'endpoints')
  for (const name of Object.keys(WECHAT) as Array<keyof Endpoints>) {
    const value = given[name]
    if (value !== undefined) resolved[name] = value.replace(/\/+$/, '')
  }
  // If payments are redirected, a failed one must not be retried at the real WeChat.
  if (given.pay !== undefined && given.payBackup === undefined) resolved.payBackup = resolved.pay
  return resolved
}

/** Checks an id. Ids are not secret, but they become part of URLs, headers and keys. */
export function requireId (option: string, value: unknown, pattern = /^[\x21-\x7e]{1,64}$/): string {
  if (typeof value !== 'string' || value === '') throw new WechatConfigError(option, 'is required')
  if (!pattern.test(value)) throw new WechatConfigError(option, 'is malformed')
  return value
}

const PLACEHOLDERS = [
  // Only words used in placeholders, at least one of them unmistakable: your-32-character-api-key-here, changeme, TODO.
  /^(?=.*(?:your|change.?me|placeholder|replace|todo|tbd|fixme|insert|xxx))(?:your|the|my|own|real|change|replace|insert|enter|put|fill|in|this|with|me|it|goes|right|below|here|placeholder|todo|tbd|fixme|wechat|weixin|wx|pay|merchant|mch|app|api|v[23]|secret|key|id|value|string|char(?:acter)?s?|random|bytes?|[-_. !x\d])+$/i,
  /^([x0*.-])\1+$/i,
  // <app secret>, {{ key }}, ${KEY}, [KEY]; the word, because a random key may begin and end with brackets
  /^\$?[<{[(]+(?=.*(?:secret|key|your|here|change|replace|todo|xxx))[\w .-]*[>}\])]+$/i
]
const isPlaceholder = (value: string): boolean => value.length <= 100 && PLACEHOLDERS.some(pattern => pattern.test(value))

/**
 * Checks a secret of fixed length: refused if it is empty, a placeholder, of the wrong length,
 * or the emulator's when calls would go to the real WeChat.
 */
export function requireSecret (option: string, value: unknown, length: number, endpoint: string): string {
  if (typeof value !== 'string' || value === '') throw new WechatConfigError(option, 'is required')
  if (isPlaceholder(value)) throw new WechatConfigError(option, 'is still a placeholder')
  if (!new RegExp(`^[\\x21-\\x7e]{${length}}$`).test(value)) throw new WechatConfigError(option, `must have ${length} characters`)
  if (value.startsWith(EMULATOR_MARK) && Object.values(WECHAT).includes(endpoint) && !(DIVERTED in globalThis)) {
    throw new WechatConfigError(option, 'is an emulator\'s key, but the endpoints are WeChat\'s own: set the emulator\'s endpoints, or start the command with "wechat-emulator exec"')
  }
  return value
}
