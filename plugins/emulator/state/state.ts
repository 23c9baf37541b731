/** WeChat's state in this emulator: one account, one merchant, its visitors, issued tokens, orders and so on. */
import { EventEmitter } from 'node:events'
import { createMemory } from './memory.ts'
import type { MemorySnapshot } from './memory.ts'
import { createRandom } from './random.ts'

/** The prefix of every generated secret; the client refuses such keys when its endpoints are WeChat's own. */
const MARK = 'emulator'

export interface Account {
  appId: string
  appSecret: string
  mchId: string
  apiKey: string
  apiV3Key: string
}

export interface StateOptions extends Partial<Account> {
  /** Lifetime of access_tokens and tickets in seconds. Default 7200. */
  tokenLifetime?: number
  ticketLifetime?: number
  /** Multiplies redelivery delays: with 0.001, a second becomes a millisecond. Default 1. */
  timeScale?: number
  /** A simulated clock in milliseconds since 1970. Default: this machine's. */
  now?: () => number
  /** Seconds until a refund arrives, times `timeScale`. Default 1. */
  refundDelay?: number
  /** Which keys WeChat signs v3 with. Default `public-key`, as for merchants since autumn 2024. */
  keyMode?: KeyMode
  /** Integer fen: the merchant's balance for refunds and payouts. Default 10,000,000. */
  balance?: number
  /** Sub-merchants of this merchant as a service provider. */
  subMerchants?: SubMerchant[]
  /** The callback URL for NATIVE codes of mode 1. */
  nativeUrl?: string
  /** Makes ids, nonces and a generated account repeatable. */
  seed?: string
  /** Further appIds that are bound to the merchant. */
  appIds?: string[]
  /** The account's name on the login page. Default: 'Emulated Official Account', in the visitor's language. */
  appName?: string
  /** The merchant's name at the cashier. Default: 'Emulated merchant', in the visitor's language. */
  merchantName?: string
  /** Hosts that may receive logins and use the JS-SDK, in addition to this machine's own. */
  domains?: string[]
}

export type KeyMode = 'public-key' | 'certificate' | 'both'

/** The stage of the switch for a merchant with both kinds of keys, as the web console shows it. WeChat's document 4012154180. */
export interface KeySwitch {
  /** `not-begun`: certificates sign all; `under-way`: answers follow the request's Wechatpay-Serial; `done`: the public key signs all. */
  stage: 'not-begun' | 'under-way' | 'done'
  /** For `under-way`: the share of callbacks signed with the public key, 0 to 1; WeChat uses 0.001, 0.01, 0.05, 0.1, 0.2, 0.5, 1. */
  callbacks: number
}

export interface SubMerchant { subMchId: string, subAppId?: string }

export interface User {
  openid: string
  nickname: string
  /** A virtual account on the snapshot page. */
  snapshot?: boolean
  /** Belongs to another account's appid: orders for it are refused. */
  foreign?: boolean
}

export interface Order {
  appid: string
  mch_id: string
  sub_appid: string
  sub_mch_id: string
  out_trade_no: string
  /** JSAPI, APP, NATIVE, MWEB, MICROPAY. */
  trade_type: string
  body: string
  attach: string
  device_info: string
  total_fee: number
  fee_type: string
  /** '' until it is known who pays. */
  openid: string
  sub_openid: string
  product_id: string
  notify_url: string
  /** RSA: the order was placed by APIv3. */
  sign_type: 'MD5' | 'HMAC-SHA256' | 'RSA'
  /** The number of the combined order that contains it; otherwise ''. */
  combine_out_trade_no: string
  /** Set when a combined order was paid. */
  combine_transaction_id?: string
  /** An individual seller on a platform. */
  individual?: { individual_auth_id: string, individual_name?: string }
  time_expire: string
  prepay_id: string
  /** The content of a NATIVE order's QR code. */
  code_url: string
  profit_sharing: boolean
  trade_state: 'NOTPAY' | 'USERPAYING' | 'SUCCESS' | 'REFUND' | 'CLOSED' | 'REVOKED' | 'PAYERROR'
  transaction_id: string
  time_end: string
  /** When the payer was asked for a password, milliseconds since 1970. */
  asked_at?: number
  /** Events with their times, ISO 8601. */
  history: Array<{ at: string, what: string }>
}

export interface Refund {
  out_refund_no: string
  refund_id: string
  out_trade_no: string
  transaction_id: string
  refund_fee: number
  total_fee: number
  reason: string
  notify_url: string
  refund_account: string
  refund_status: 'PROCESSING' | 'SUCCESS' | 'REFUNDCLOSE' | 'CHANGE'
  created_at: number
  /** `yyyy-MM-dd HH:mm:ss` in China; '' before. */
  success_time: string
  /** Created by APIv3. */
  v3: boolean
}

/** What happens when a payment code is scanned. */
export type AuthCodeBehaviour = 'pays' | 'asks' | 'poor' | 'expired'

/** A red packet or a transfer to a user. */
export interface Payout {
  kind: 'redpack' | 'transfer'
  number: string
  openid: string
  amount: number
  count: number
  description: string
  wechatNumber: string
  at: number
}

/** One attempt to notify the merchant of a payment or a refund. */
export interface Delivery {
  id: string
  /** The subject of the notification. */
  about: 'payment' | 'refund' | 'probe' | 'event' | 'component'
  /** InfoType of an Open Platform push (`component`). */
  info_type?: string
  out_trade_no: string
  /** '' unless it is about a refund. */
  out_refund_no: string
  attempt: number
  url: string
  sent_at: string
  /** Header names in lower case; they are sent in WeChat's spelling. */
  request: { headers: Record<string, string>, body: string }
  reply: { status: number, body: string } | null
  error: string | null
  accepted: boolean
}

export interface Timed { until: number }

export function createState (options: StateOptions = {}, saved?: MemorySnapshot) {
  const memory = createMemory(saved)
  const numbers = memory.table<number>('numbers')
  // After a restart with saved state, the seed must not repeat ids that were already issued.
  const starts = (numbers.get('starts') ?? 0) + 1
  numbers.set('starts', starts)
  const random = createRandom(options.seed === undefined ? undefined : `${options.seed}/${starts}`)
  const secret = () => MARK + random.hex(12)
  const remembered = memory.table<string>('account')
  const known = (name: keyof Account, madeUp: () => string): string => {
    const value = options[name] ?? remembered.get(name) ?? madeUp()
    remembered.set(name, value)
    return value
  }
  const account: Account = {
    appId: known('appId', () => `wx${random.hex(8)}`),
    appSecret: known('appSecret', secret),
    mchId: known('mchId', () => `19${random.digits(8)}`),
    apiKey: known('apiKey', secret),
    apiV3Key: known('apiV3Key', secret)
  }
  const { now = Date.now } = options
  let ahead = 0
  const events = new EventEmitter<{ delivery: [Delivery], change: [], clock: [] }>()
  function advance (ms: number): void {
    ahead += ms
    events.emit('clock')
    events.emit('change')
  }
  const modes = memory.table<KeyMode>('modes')
  const switches = memory.table<KeySwitch>('keySwitch')
  if (options.keyMode) modes.set('keys', options.keyMode)

  return {
    account,
    random,
    memory,
    timeScale: options.timeScale ?? 1,
    tokenLifetime: options.tokenLifetime ?? 7200,
    ticketLifetime: options.ticketLifetime ?? 7200,
    users: [
      { openid: 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o', nickname: '李雷 Li Lei' },
      { openid: 'oUpF8uN95-Ptaags6E_roPHg7AG0', nickname: '韩梅梅 Han Meimei' },
      { openid: 'oUpF8uSnapshotVisitor0000000', nickname: '微信用户', snapshot: true },
      { openid: 'oForeignAppVisitor0000000000', nickname: '别处用户', foreign: true }
    ] as User[],
    /** By `orderKey`. */
    orders: memory.table<Order>('orders'),
    prepays: memory.table<Timed & { out_trade_no: string, sub_mch_id: string }>('prepays'),
    refunds: memory.table<Refund>('refunds'),
    payouts: memory.table<Payout>('payouts'),
    authCodes: memory.table<{ user: User, behaviour: AuthCodeBehaviour, usedFor: string }>('authCodes'),
    /** Integer fen. */
    get balance () { return numbers.get('balance') ?? options.balance ?? 10_000_000 },
    set balance (fen) { numbers.set('balance', fen) },
    /** The keys that sign: public key (new merchants), platform certificates (older ones), or both during a switch. */
    get keyMode () { return modes.get('keys') ?? 'public-key' },
    set keyMode (mode) { modes.set('keys', mode) },
    /** The stage of the switch if `keyMode` is `both`. */
    get keySwitch (): KeySwitch { return switches.get('keys') ?? { stage: 'under-way', callbacks: 1 } },
    set keySwitch (to: KeySwitch) { switches.set('keys', to) },
    refundDelay: options.refundDelay ?? 1,
    /** All appIds that may place orders. */
    appIds: [account.appId, ...options.appIds ?? []] as readonly string[],
    subMerchants: options.subMerchants ?? [],
    nativeUrl: options.nativeUrl,
    appName: options.appName,
    merchantName: options.merchantName,
    deliveries: memory.list<Delivery>('deliveries'),
    /** `change`: the state changed and must be shown or saved; `clock`: the clock was moved. */
    events,
    /** The emulator's clock in milliseconds since 1970: orders, bills, tokens and everything that expires follow it. */
    now: () => now() + ahead,
    /** The real time in milliseconds since 1970: signatures and the check of timestamps use it. */
    wireNow: now,
    /** Moves the clock by milliseconds; negative: back. Not saved: a restart returns to the real date. */
    advance,
    /** Returns to this machine's date. */
    resetClock: () => advance(-ahead),
    isOurDomain: (host: string) => /^(?:localhost|127\.0\.0\.1|\[::1\])$/.test(host.replace(/:\d+$/, '')) || (options.domains ?? []).includes(host)
  }
}

export type State = ReturnType<typeof createState>

/** Accepts the openids of known visitors and well-formed unknown ones, which count as new visitors. */
export function openidProblem (state: State, openid: string): string | undefined {
  const known = state.users.find(user => user.openid === openid)
  if (known?.foreign) return 'appid and openid not match'
  if (!known && !/^o[0-9A-Za-z_-]{15,63}$/.test(openid)) return 'invalid openid'
}

/** Order numbers are unique per sub-merchant. */
export const orderKey = (number: string, subMchId = '') => subMchId === '' ? number : `${subMchId}/${number}`

/** A visitor of this account, by openid. */
export const userOf = (state: State, openid: string | undefined): User => state.users.find(user => user.openid === openid) ?? state.users[0] as User

/** `yyyy-MM-ddTHH:mm:ss+08:00`. */
export const rfc3339 = (compact: string) => compact.replace(/^(....)(..)(..)(..)(..)(..)$/, '$1-$2-$3T$4:$5:$6+08:00')

/** `yyyyMMddHHmmss` in China. */
export function chinaTime (ms: number): string {
  const second = Math.floor(ms / 1000)
  // Each order needs it several times.
  if (second !== lastTime.second) lastTime = { second, text: new Date(ms + 8 * 3600_000).toISOString().replace(/\D/g, '').slice(0, 14) }
  return lastTime.text
}

let lastTime = { second: NaN, text: '' }
