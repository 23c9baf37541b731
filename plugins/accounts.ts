/** Finds a request's account: the single account of the options, or one found by `accounts`. Decorates `app.wechatAccounts` and `request.wechatAccount`. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { lazyAccount } from '../src/lazy-account.ts'
import type { Account } from '../src/lazy-account.ts'
import type { AccountsOptions, WechatAccounts as AccountsCache } from '../src/accounts.ts'
import { WechatConfigError, WechatError } from '../src/errors.ts'
import { coreOptions } from '../src/option-shapes.ts'
import type { NotificationClaims } from '../src/pay/notification-claims.ts'
import type { Store } from '../src/store/store.ts'
import { expose, exposed, storeOf } from './common.ts'
import type { AnyAccounts } from './common.ts'
import type { Namespaced, WechatAccountOptions } from './namespaces.ts'

export interface AccountsChoice extends Omit<AccountsOptions<WechatAccountOptions>, 'find'> {
  /** Returns one account's options from your own records; undefined or null (404) if no account has this id. */
  find: AccountsOptions<WechatAccountOptions>['find']
  /** Returns the id of the request's account. Default: `request.params.account`, for a `prefix` like `/wechat/:account`. */
  of?: (request: FastifyRequest) => string | undefined | Promise<string | undefined>
  /**
   * For one notification path shared by all accounts: returns the ids of possible accounts. The claims are not verified yet: each
   * returned account tries its own keys. Default: accounts in memory that match the claims.
   */
  ofNotification?: (claims: NotificationClaims, request: FastifyRequest | undefined) => string | string[] | undefined | Promise<string | string[] | undefined>
}

export type WechatAccount = Account<WechatAccountOptions>
export type WechatAccounts = Pick<AccountsCache<WechatAccountOptions>, 'get' | 'forget' | 'status'>

declare module 'fastify' {
  interface FastifyInstance {
    wechatAccounts: Namespaced<WechatAccounts>
  }
  interface FastifyRequest {
    /** The request's account, available in this package's routes from the `preParsing` hook on. @throws WechatConfigError elsewhere */
    readonly wechatAccount: WechatAccount
  }
}

/** Where a plugin gets its accounts from. */
export interface AccountSource {
  /** The single account of the options; undefined with `accounts`. */
  readonly only: WechatAccount | undefined
  readonly store: Store
  /** Undefined if the request does not say. */
  of (request: FastifyRequest): WechatAccount | undefined | Promise<WechatAccount | undefined>
  get (id: string | undefined): Promise<WechatAccount>
  kept (): Iterable<WechatAccount>
  readonly ofNotification: AccountsChoice['ofNotification']
}

interface Shared { source: AccountSource, redis: unknown, decorator: WechatAccounts | undefined }

/** One per `accounts` object and server: all plugins that get the same object share its accounts. */
const sources = new WeakMap<object, WeakMap<object, Shared>>()

const ACCOUNT = Symbol('fastify-wechat-pay.account')
type Marked = FastifyRequest & { [ACCOUNT]: WechatAccount | null }

/** @throws WechatConfigError */
export async function accountsOf (app: FastifyInstance, options: AnyAccounts): Promise<AccountSource> {
  const { accounts: choice, redis, namespace } = options
  const key = choice ?? options
  let here = sources.get(app.server)
  if (!here) sources.set(app.server, here = new WeakMap())
  let shared = here.get(key)
  if (!shared) here.set(key, shared = { redis, ...await (choice ? many(app, choice, storeOf(app, options)) : one(app, options)) })
  if (shared.redis !== redis) throw new WechatConfigError('redis', 'must be the same for all plugins that share accounts')
  const { decorator } = shared
  if (decorator && exposed(app, 'wechatAccounts', namespace) !== decorator) expose(app, 'wechatAccounts', decorator, namespace)
  if (!app.hasRequestDecorator('wechatAccount')) {
    app.decorateRequest(ACCOUNT, null)
    app.decorateRequest('wechatAccount', {
      getter () {
        const account = (this as unknown as Marked)[ACCOUNT]
        if (!account) throw new WechatConfigError('accounts', 'request.wechatAccount exists only in routes of fastify-wechat-pay: elsewhere, use app.wechatAccounts.get(id)')
        return account
      }
    })
  }
  return shared.source
}

async function one (app: FastifyInstance, options: AnyAccounts): Promise<Omit<Shared, 'redis'>> {
  const store = storeOf(app, options)
  // WeChat Pay is most of the package: load it only if it is needed.
  const paying = options.merchant === undefined ? undefined : { ...await import('../src/account.ts'), ...await import('./expiry.ts') }
  const only = (paying?.createAccount ?? lazyAccount)(coreOptions(options) as WechatAccountOptions, { store, log: app.log })
  paying?.watchExpiry(app, () => [only])
  app.addHook('onClose', async () => { await only.close() })
  return { decorator: undefined, source: { only, store, of: () => only, get: async () => only, kept: () => [only], ofNotification: undefined } }
}

async function many (app: FastifyInstance, choice: AccountsChoice, store: Store): Promise<Omit<Shared, 'redis'>> {
  const [{ createAccounts }, { watchExpiry }] = await Promise.all([import('../src/accounts.ts'), import('./expiry.ts')])
  const { find, of = byParameter, ofNotification, max, maxAge } = choice
  const cache = createAccounts<WechatAccountOptions>({ find, ...(max !== undefined && { max }), ...(maxAge !== undefined && { maxAge }) }, { store, log: app.log })
  watchExpiry(app, cache.kept)
  app.addHook('onClose', cache.close)
  const { get, at, kept, forget, status } = cache
  return {
    decorator: { get, forget, status },
    source: {
      only: undefined,
      store,
      of (request) {
        const id = of(request)
        if (typeof id === 'string') return at(id)
        return id && id.then(id => id === undefined ? undefined : at(id))
      },
      get: async id => await get(id as string),
      kept,
      ofNotification
    }
  }
}

const byParameter = ({ params }: FastifyRequest) => (params as { account?: string } | undefined)?.account

/**
 * Sets `request.wechatAccount` on the routes of this scope before a body is read: a request for an unknown account costs no more than
 * the look-up. Not earlier, so that the application's rate limits run first, including per-route ones.
 */
export function findAccounts (scope: FastifyInstance, { only, of }: AccountSource, { optional = false } = {}): void {
  if (only) {
    scope.addHook('preParsing', (request, _reply, payload, done) => {
      setAccount(request, only)
      done(null, payload)
    })
    return
  }
  scope.addHook('preParsing', (request, _reply, payload, done) => {
    function found (account: WechatAccount | undefined): void {
      if (!account && !optional) return done(new WechatError('WECHAT_ACCOUNT', 'there is no such account', { statusCode: 404 }))
      if (account) setAccount(request, account)
      done(null, payload)
    }
    try {
      const account = of(request)
      if (account instanceof Promise) account.then(found, done)
      else found(account)
    } catch (error) {
      done(error as Error)
    }
  })
}

export function setAccount (request: FastifyRequest, account: WechatAccount): void {
  (request as Marked)[ACCOUNT] = account
}

/** The request's account, if it is already set. */
export const accountIn = (request: FastifyRequest): WechatAccount | null => (request as Marked)[ACCOUNT] ?? null

/** What a plugin needs per account: created on first use and kept as long as the account. */
export function perAccount<T extends object> (make: (account: WechatAccount) => T): (account: WechatAccount) => T {
  const made = new WeakMap<WechatAccount, T>()
  return account => {
    let found = made.get(account)
    if (!found) made.set(account, found = make(account))
    return found
  }
}
