/** One account: its token, login, page signatures, payments and notifications, each made when it is first used. */
import type { Clock } from './clock.ts'
import { systemClock } from './clock.ts'
import { WechatConfigError } from './errors.ts'
import type { HttpOptions } from './http.ts'
import type { Log } from './log.ts'
import { silent } from './log.ts'
import { createAccessToken } from './official-account/access-token.ts'
import type { TicketProvider, TokenProvider, WechatToken } from './official-account/access-token.ts'
import { jssdkConfig } from './official-account/jssdk.ts'
import type { JssdkConfig, JssdkConfigOptions } from './official-account/jssdk.ts'
import { createOAuth } from './official-account/oauth.ts'
import type { WechatOAuth } from './official-account/oauth.ts'
import { requireId, resolveEndpoints } from './options.ts'
import type { Endpoints } from './options.ts'
import { checkMerchant } from './pay/merchant.ts'
import type { CheckedMerchant, Merchant } from './pay/merchant.ts'
import { createNotificationReader } from './pay/notification-reader.ts'
import type { Notification } from './pay/notification-reader.ts'
import { createPay } from './pay/pay.ts'
import type { WechatPay } from './pay/pay.ts'
import { createV3Client } from './pay/v3/client.ts'
import type { Headers } from './pay/v3/message.ts'
import { createMemoryStore } from './store/memory.ts'
import type { Store } from './store/store.ts'

export interface AccountOptions {
  appId: string
  /** Needed for tokens, tickets and logins, unless `tokenProvider` gives the tokens. */
  appSecret?: string
  tokenMode?: 'stable' | 'plain'
  tokenProvider?: TokenProvider
  ticketProvider?: TicketProvider
  merchant?: Merchant
  version?: 'v2' | 'v3'
  endpoints?: Endpoints
  http?: HttpOptions
}

export interface AccountParts {
  /** What you call it. Default: its appId. */
  id?: string
  /** Shared by all processes. Default: the memory of this one. */
  store?: Store
  log?: Log
  clock?: Clock
}

export interface WechatJssdk {
  /** What the page at `url` hands to `wx.config`. The URL is signed byte for byte; its fragment is cut. */
  config (url: string, options?: JssdkConfigOptions): Promise<JssdkConfig>
}

export interface WechatNotifications {
  /** Verifies a message of WeChat Pay and reads it. `body`: the bytes as received. @throws WechatNotificationError */
  read (headers: Headers, body: Uint8Array): Promise<Notification>
}

/** Each part throws WechatConfigError at its first use if its options are missing or wrong. */
export interface Account<O extends AccountOptions = AccountOptions> {
  readonly id: string
  readonly appId: string
  readonly options: O
  readonly token: WechatToken
  readonly oauth: WechatOAuth
  readonly jssdk: WechatJssdk
  readonly pay: WechatPay
  readonly notifications: WechatNotifications
  /** The merchant's options, checked. */
  readonly merchant: CheckedMerchant
  /** Gives back what it holds: connections. */
  close (): Promise<void>
}

/** @throws WechatConfigError if `appId` is missing or wrong */
export function createAccount<O extends AccountOptions> (options: O, { id, store = createMemoryStore(), log = silent, clock = systemClock }: AccountParts = {}): Account<O> {
  const appId = requireId('appId', options.appId)
  const parts = { store, log, clock }

  const merchant = once(() => checkMerchant(options.merchant, resolveEndpoints(options.endpoints).pay))
  const token = once(() => createAccessToken({ ...options, ...parts } as Parameters<typeof createAccessToken>[0]))
  const oauth = once(() => createOAuth(options as Parameters<typeof createOAuth>[0]))
  const jssdk = once((): WechatJssdk => ({ config: async (url, page) => jssdkConfig(appId, await token().ticket(), url, page) }))
  const pay = once(() => {
    if (!options.merchant) throw new WechatConfigError('merchant', 'is required for payments')
    return createPay({ ...options, merchant: options.merchant, ...parts })
  })
  const notifications = once((): WechatNotifications => {
    const endpoints = resolveEndpoints(options.endpoints)
    const { v3 } = merchant()
    const keys = v3 && createV3Client({ http: options.http, bases: [endpoints.pay, endpoints.payBackup], merchant: v3, store, clock }).keys
    return { read: createNotificationReader(appId, merchant(), keys) }
  })

  return {
    id: id ?? appId,
    appId,
    options,
    get token () { return token() },
    get oauth () { return oauth() },
    get jssdk () { return jssdk() },
    get pay () { return pay() },
    get notifications () { return notifications() },
    get merchant () { return merchant() },
    async close () {}
  }
}

/** Made at the first call, and the same ever after; not if making it failed. */
function once<T extends object> (make: () => T): () => T {
  let made: T | undefined
  return () => {
    made ??= make()
    return made
  }
}
