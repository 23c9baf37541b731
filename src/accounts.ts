/** Accounts looked up by id when a request needs one, cached while in use, and looked up again from time to time. */
import { isDeepStrictEqual } from 'node:util'
import { LRUCache } from 'lru-cache'
import { createAccount } from './account.ts'
import type { Account, AccountOptions, AccountParts } from './account.ts'
import { systemClock } from './clock.ts'
import { WechatConfigError, WechatError } from './errors.ts'
import { silent } from './log.ts'
import { withTimeout } from './with-timeout.ts'
import type { CertificateStatus } from './pay/expiry.ts'

export interface AccountsOptions<O extends AccountOptions = AccountOptions> {
  /** Returns one account's options from your own records; undefined or null if no account has this id. */
  find: (id: string) => O | undefined | null | Promise<O | undefined | null>
  /** How many accounts to keep; the least recently used is evicted first. Default 10,000. */
  max?: number
  /** Seconds until an account in use is looked up again; the old one stays in use meanwhile. Default 300. */
  maxAge?: number
}

export interface AccountStatus {
  id: string
  appId: string
  /** Whole seconds since its options were read. */
  age: number
  /** The certificates used in this process so far, and when they expire. */
  certificates: CertificateStatus[]
}

export interface WechatAccounts<O extends AccountOptions = AccountOptions> {
  /**
   * @throws WechatError `WECHAT_ACCOUNT` (404) if no account has this id, `WECHAT_ACCOUNT_LOOKUP` (503) if `find` failed or took too long;
   * WechatConfigError if its options are wrong
   */
  get (id: string): Promise<Account<O>>
  /** The same, without a promise if the account is cached: for use in every request. */
  at (id: string): Account<O> | Promise<Account<O>>
  /** The accounts in memory now. */
  kept (): Iterable<Account<O>>
  /** Call it when an account's options have changed: the next request looks the account up again. */
  forget (id: string): void
  /** The accounts in memory now. */
  status (): { kept: number, lookups: number, accounts: AccountStatus[] }
  close (): Promise<void>
}

/** Milliseconds to cache an unknown id or wrong options: a flood of requests costs one look-up per id. */
const REFUSED_FOR = 5000
/** Milliseconds that `find` may take. */
const LOOKUP_TIMEOUT = 10_000
/** Milliseconds from a failed look-up of an account in use to the next one. */
const RETRY_AFTER = 5000
/** An account that was not looked up for this many times `maxAge` is not served from memory. */
const STALE = 10

interface Kept<O extends AccountOptions> { account: Account<O>, options: O, foundAt: number, renewAt: number }

export function createAccounts<O extends AccountOptions> ({ find, max = 10_000, maxAge = 300 }: AccountsOptions<O>, parts: Omit<AccountParts, 'id'> = {}): WechatAccounts<O> {
  if (typeof find !== 'function') throw new WechatConfigError('accounts.find', 'is required: a function that returns the options of an account')
  if (!Number.isInteger(max) || max < 1) throw new WechatConfigError('accounts.max', 'must be a whole number, 1 or more')
  if (!(Number.isFinite(maxAge) && maxAge > 0)) throw new WechatConfigError('accounts.maxAge', 'must be a number of seconds above 0')
  const { clock = systemClock, log = silent } = parts
  const age = maxAge * 1000
  const kept = new LRUCache<string, Kept<O>>({ max, dispose: ({ account }) => { account.close().catch(() => {}) } })
  // A separate cache: a flood of invalid ids must not evict accounts that are in use.
  const refused = new LRUCache<string, () => WechatError>({ max: 10_000, ttl: REFUSED_FOR, ttlResolution: 0, perf: { now: () => clock.now() } })
  const underWay = new Map<string, Promise<Account<O>>>()
  let lookups = 0

  async function found (id: string): Promise<O | undefined> {
    lookups++
    try {
      return await withTimeout(LOOKUP_TIMEOUT, () => Promise.resolve(id).then(find), () => new Error(`accounts.find took longer than ${LOOKUP_TIMEOUT} ms`)) ?? undefined
    } catch (error) {
      log.error({ err: error, account: id }, 'fastify-wechat-pay: an account could not be looked up')
      throw new WechatError('WECHAT_ACCOUNT_LOOKUP', 'the account cannot be looked up at the moment', { statusCode: 503, retryable: true })
    }
  }

  function build (id: string, options: O): Account<O> {
    try {
      return createAccount(options, { ...parts, id })
    } catch (error) {
      log.error({ err: error, account: id }, 'fastify-wechat-pay: the options of an account are wrong')
      throw error
    }
  }

  async function lookUp (id: string, isCurrent: () => boolean): Promise<Account<O>> {
    const options = await found(id)
    // forget() was called meanwhile: earlier callers still get an answer, but it is not kept.
    if (!isCurrent()) return build(id, options ?? refuse(unknownAccount))
    if (!options) {
      kept.delete(id)
      return refuse(unknownAccount)
    }
    const before = kept.get(id)
    const now = clock.now()
    if (before && isDeepStrictEqual(before.options, options)) {
      before.foundAt = now
      before.renewAt = now + age
      return before.account
    }
    try {
      const account = build(id, options)
      kept.set(id, { account, options, foundAt: now, renewAt: now + age })
      return account
    } catch (error) {
      kept.delete(id)
      return refuse(() => error as WechatError)
    }

    /** Stores a function, not an error object, which would take a hundred times as much memory. */
    function refuse (reason: () => WechatError): never {
      refused.set(id, reason)
      throw reason()
    }
  }

  /** Concurrent callers share one look-up. */
  function shared (id: string): Promise<Account<O>> {
    let running = underWay.get(id)
    if (!running) {
      const isCurrent = () => underWay.get(id) === running
      running = lookUp(id, isCurrent).finally(() => { if (isCurrent()) underWay.delete(id) })
      underWay.set(id, running)
    }
    return running
  }

  function at (id: string): Account<O> | Promise<Account<O>> {
    const now = clock.now()
    const cached = kept.get(id)
    if (cached && now < cached.foundAt + STALE * age) {
      if (now >= cached.renewAt) {
        cached.renewAt = now + RETRY_AFTER
        shared(id).catch(() => { /* already logged; the old account stays in use, unless it no longer exists */ })
      }
      return cached.account
    }
    if (typeof id !== 'string' || !/^[^\0-\x1f\x7f]{1,128}$/.test(id)) throw unknownAccount()
    const refusal = refused.get(id)
    if (refusal) throw refusal()
    return shared(id)
  }

  return {
    at,
    get: async id => await at(id),

    * kept () {
      for (const { account } of kept.values()) yield account
    },

    forget (id) {
      underWay.delete(id)
      refused.delete(id)
      kept.delete(id)
    },

    status: () => ({
      kept: kept.size,
      lookups,
      accounts: [...kept.entries()].map(([id, { account, foundAt }]) => ({ id, appId: account.appId, age: Math.floor((clock.now() - foundAt) / 1000), certificates: account.certificates }))
    }),

    async close () {
      kept.clear()
    }
  }
}

/** The message reveals nothing about accounts, not even the id that was requested. */
const unknownAccount = () => new WechatError('WECHAT_ACCOUNT', 'there is no such account', { statusCode: 404 })
