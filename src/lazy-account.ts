/** One account: its token, login, page signatures, mini program, payments and notifications, each created on first use. WeChat Pay's modules are not imported here, so that signing pages does not wait for them. */
import type { Clock } from './clock.ts'
import { systemClock } from './clock.ts'
import { WechatConfigError } from './errors.ts'
import type { HttpOptions } from './http/http.ts'
import type { Log } from './log.ts'
import { silent } from './log.ts'
import { createMiniProgram } from './mini-program/mini-program.ts'
import type { WechatMiniProgram } from './mini-program/mini-program.ts'
import type { SessionProvider } from './mini-program/login.ts'
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
  /** Needed for tokens, tickets and logins, unless `tokenProvider` provides tokens and, in a mini program, `sessionProvider` logins. */
  appSecret?: string
  tokenMode?: 'stable' | 'plain'
  tokenProvider?: TokenProvider
  ticketProvider?: TicketProvider
  sessionProvider?: SessionProvider
  /** The third-party platform that logs in visitors on behalf of this account. */
  component?: AccountComponent
  merchant?: Merchant
  version?: 'v2' | 'v3'
  endpoints?: Endpoints
  http?: HttpOptions
}

export interface AccountParts {
  /** Your id of the account. Default: its appId. */
  id?: string
  /** Shared by all processes. Default: this process's memory. */
  store?: Store
  log?: Log
  clock?: Clock
}

export interface WechatJssdk {
  /** The argument of `wx.config` for the page at `url`. The URL is signed byte for byte, without its fragment. */
  config (url: string, options?: JssdkConfigOptions): Promise<JssdkConfig>
}

export interface WechatNotifications {
  /** Verifies and decodes a WeChat Pay notification. `body`: the bytes as received. @throws WechatNotificationError */
  read (headers: Headers, body: Uint8Array): Promise<Notification>
}

/** Each part throws WechatConfigError on first use if its options are missing or wrong. */
export interface Account<O extends AccountOptions = AccountOptions> {
  readonly id: string
  readonly appId: string
  readonly options: O
  readonly token: WechatToken
  readonly oauth: WechatOAuth
  readonly jssdk: WechatJssdk
  readonly miniProgram: WechatMiniProgram
  readonly pay: WechatPay
  readonly notifications: WechatNotifications
  /** The certificates used in this process, and when they expire. */
  readonly certificates: CertificateStatus[]
  /** The checked merchant options. */
  readonly merchant: CheckedMerchant
  /** Releases its connections. */
  close (): Promise<void>
}

/** The WeChat Pay functions that an account needs. They are passed in, so that their modules can be loaded later. */
export interface PaymentParts {
  checkMerchant: typeof checkMerchant
  createPay: typeof createPay
  createNotificationReader: typeof createNotificationReader
  createV3Client: typeof createV3Client
  platformCertificates: typeof platformCertificates
}

/** Without `payments` the account has no merchant. @throws WechatConfigError if `appId` is missing or wrong */
export function lazyAccount<O extends AccountOptions> (options: O, parts: AccountParts, payments?: PaymentParts): Account<O> {
  return new LazyAccount(options, parts, payments)
}

/**
 * A class, because thousands are kept, most of them idle: shared code is in the prototype. Private fields do not appear in
 * logs, JSON or inspection, because they contain secrets.
 */
class LazyAccount<O extends AccountOptions> implements Account<O> {
  readonly id: string
  readonly appId: string
  readonly #options: O
  readonly #parts: Required<Omit<AccountParts, 'id'>>
  readonly #made: { -readonly [Part in 'token' | 'oauth' | 'jssdk' | 'miniProgram' | 'pay' | 'notifications' | 'merchant']?: Account[Part] } = {}

  readonly #payments: PaymentParts | undefined

  /** Provides the keys that verify notifications. */
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

  get miniProgram () {
    return (this.#made.miniProgram ??= createMiniProgram(this.#core(), this.token))
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
    const { token, oauth, miniProgram, pay } = this.#made
    await Promise.all([token, oauth, miniProgram, pay, this.#v3].map(part => part?.disconnect()))
  }

  /** A row of your database may have more fields than our options. */
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
