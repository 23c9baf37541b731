/** One account: its token, login, page signatures, payments and notifications, each made when it is first used. Nothing of WeChat Pay is loaded from here: who only signs pages does not wait for that. */
import type { Clock } from './clock.ts'
import { systemClock } from './clock.ts'
import { WechatConfigError } from './errors.ts'
import type { HttpOptions } from './http/http.ts'
import type { Log } from './log.ts'
import { silent } from './log.ts'
import { createAccessToken } from './official-account/access-token.ts'
import type { TicketProvider, TokenProvider, WechatToken } from './official-account/access-token.ts'
import { jssdkConfig } from './official-account/jssdk.ts'
import type { JssdkConfig, JssdkConfigOptions } from './official-account/jssdk.ts'
import { createOAuth } from './official-account/oauth.ts'
import type { AccountComponent, WechatOAuth } from './official-account/oauth.ts'
import { coreOptions } from './option-shapes.ts'
import { requireId, resolveEndpoints } from './options.ts'
import type { Endpoints } from './options.ts'
import type { CheckedMerchant, checkMerchant, Merchant } from './pay/merchant.ts'
import type { CertificateStatus, platformCertificates } from './pay/expiry.ts'
import type { createNotificationReader, Notification } from './pay/notification-reader.ts'
import type { createPay, WechatPay } from './pay/pay.ts'
import type { createV3Client, V3Caller } from './pay/v3/client.ts'
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
  /** The third-party platform that logs visitors in on this account's behalf. */
  component?: AccountComponent
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
  /** Those in use here, and when they end. */
  readonly certificates: CertificateStatus[]
  /** The merchant's options, checked. */
  readonly merchant: CheckedMerchant
  /** Gives back what it holds: connections. */
  close (): Promise<void>
}

/** What an account needs of WeChat Pay: the functions themselves, since they come from where they may be loaded later. */
export interface PaymentParts {
  checkMerchant: typeof checkMerchant
  createPay: typeof createPay
  createNotificationReader: typeof createNotificationReader
  createV3Client: typeof createV3Client
  platformCertificates: typeof platformCertificates
}

/** `payments`: without them the account has no merchant. @throws WechatConfigError if `appId` is missing or wrong */
export function lazyAccount<O extends AccountOptions> (options: O, parts: AccountParts, payments?: PaymentParts): Account<O> {
  return new LazyAccount(options, parts, payments)
}

/**
 * Thousands are kept, most of them idle: what they have in common lies in the prototype. What is private shows in no log,
 * JSON or inspection: secrets are in there.
 */
class LazyAccount<O extends AccountOptions> implements Account<O> {
  readonly id: string
  readonly appId: string
  readonly #options: O
  readonly #parts: Required<Omit<AccountParts, 'id'>>
  readonly #made: { -readonly [Part in 'token' | 'oauth' | 'jssdk' | 'pay' | 'notifications' | 'merchant']?: Account[Part] } = {}

  readonly #payments: PaymentParts | undefined

  /** Fetches the keys that notifications are verified with. */
  #v3: V3Caller | undefined

  constructor (options: O, { id, store = createMemoryStore(), log = silent, clock = systemClock }: AccountParts, payments: PaymentParts | undefined) {
    this.appId = requireId('appId', options.appId)
    this.id = id ?? this.appId
    this.#options = options
    this.#parts = { store, log, clock }
    this.#payments = payments
  }

  get options () { return this.#options }

  get token () {
    return (this.#made.token ??= createAccessToken({ ...this.#core(), ...this.#parts } as Parameters<typeof createAccessToken>[0]))
  }

  get oauth () {
    return (this.#made.oauth ??= createOAuth(this.#core() as Parameters<typeof createOAuth>[0]))
  }

  get jssdk () {
    return (this.#made.jssdk ??= { config: async (url, page) => jssdkConfig(this.appId, await this.token.ticket(), url, page) })
  }

  get pay () {
    const { merchant } = this.#options
    const { createPay } = this.#paying()
    if (!merchant) throw new WechatConfigError('merchant', 'is required for payments')
    return (this.#made.pay ??= createPay({ ...this.#core(), merchant, ...this.#parts }))
  }

  get notifications () {
    return (this.#made.notifications ??= { read: this.#paying().createNotificationReader(this.appId, this.merchant, this.#platformKeys()) })
  }

  get merchant () {
    return (this.#made.merchant ??= this.#paying().checkMerchant(this.#options.merchant, resolveEndpoints(this.#options.endpoints).pay))
  }

  get certificates () {
    return this.#made.pay?.status().certificates ?? (this.#v3 ? this.#paying().platformCertificates(this.#v3.keys) : [])
  }

  async close () {
    const { token, oauth, pay } = this.#made
    await Promise.all([token, oauth, pay, this.#v3].map(part => part?.disconnect()))
  }

  /** A row of the host's may hold more than our options. */
  #core () {
    return coreOptions(this.#options)
  }

  #paying (): PaymentParts {
    if (!this.#payments) throw new WechatConfigError('merchant', 'is required for payments')
    return this.#payments
  }

  #platformKeys () {
    const { pay, payBackup } = resolveEndpoints(this.#options.endpoints)
    const { v3 } = this.merchant
    if (v3) this.#v3 = this.#paying().createV3Client({ http: this.#options.http, bases: [pay, payBackup], merchant: v3, ...this.#parts })
    return this.#v3?.keys
  }
}
