/**
 * A value that WeChat issues for a limited time and that all processes of an account must share: the access_token, a ticket.
 * A cached read uses memory only; an uncached one costs one call to WeChat, however many callers and processes wait for it.
 */
import { randomUUID } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { WechatError } from '../errors.ts'
import type { Log } from '../log.ts'
import { createStoreGuard } from '../store/guard.ts'
import type { Store } from '../store/store.ts'
import { createIssuer, isToken } from './issuer.ts'
import type { Issued } from './issuer.ts'
import { createFailureCache } from './failure-cache.ts'

export interface CredentialParts {
  /** Its name in errors and logs: access_token, jsapi_ticket. */
  name: string
  /** Its key in the store. */
  key: string
  store: Store
  clock: Clock
  log: Log
  /** The secret in the request: a failure caused by it concerns only processes with the same secret. */
  secret?: string | undefined
  /** Fetches a value from WeChat. `force`: WeChat keeps returning a value that is known to be invalid. */
  issue (force: boolean): Promise<Issued>
  /** Maximum milliseconds that a caller without a value waits. Default 15000. */
  waitTimeout?: number
}

export interface CredentialStatus {
  /** Remaining lifetime of this process's value in whole seconds; 0 if there is none. */
  expiresIn: number
  /** False while the shared store does not answer and this process works without it. */
  storeReachable: boolean
  /** WeChat's code (or ours) of the last failure that is still cached. */
  failing?: string
}

export interface Credential {
  get (): Promise<string>
  /** Drops this value, here and in the store, if it is still the one in use. */
  invalidate (value: string): Promise<void>
  status (): CredentialStatus
}

/** How long before its expiry a value is renewed (less for short-lived ones), with jitter per process. */
const AHEAD = 240_000
/** How long a refresher that stops renewing its lease blocks the others. */
const LEASE = 3000
/** Without the store, at most one fetch in this time: each may invalidate another process's value. */
const FETCH_ALONE_GAP = 60_000

interface Current { promise: Promise<string>, value: string, until: number, refreshAt: number, shared: boolean }

export function createCredential (parts: CredentialParts): Credential {
  const { name, key, store, clock, log, issue, waitTimeout = 15_000 } = parts
  const guard = createStoreGuard(clock, log, name)
  const { ask } = guard
  const issuer = createIssuer({ name, key, store, guard, clock, issue })
  const failures = createFailureCache({ name, key: `${key}:failure`, secret: parts.secret, store, guard, clock })

  let current: Current | undefined
  let inFlight: Promise<string> | undefined
  let sharing = false
  let fetchedAloneAt = -Infinity
  let dropping: { value: string, done: Promise<unknown> } | undefined

  function adopt (value: string, ttl: number, shared: boolean): string {
    const now = clock.now()
    const ahead = Math.min(AHEAD, ttl / 5) * (0.85 + 0.3 * Math.random())
    current = { value, promise: Promise.resolve(value), until: now + ttl, refreshAt: now + ttl - ahead, shared }
    failures.clear()
    return value
  }

  /** Gets a value for this process, fetched by this or another process. `minTtl`: minimum lifetime of a stored value. */
  async function obtain (minTtl: number): Promise<string> {
    const deadline = clock.now() + waitTimeout
    const owner = randomUUID()
    // Until the store has forgotten the dead value, it would be given to us once more.
    await dropping?.done
    for (;;) {
      const turn = (await ask(() => store.acquire(key, owner, LEASE, minTtl)))?.answer
      if (!turn) return await fetchAlone()
      if (turn.state === 'done' && isToken(turn.value)) return adopt(turn.value, turn.ttl, true)
      // Invalid data at our key: delete it, so that the next value can be written.
      if (turn.state === 'done') await ask(() => store.delete(key, turn.value))
      if (turn.state === 'acquired') {
        const stop = clock.every(LEASE / 3, () => { ask(() => store.renew(key, owner, LEASE)) })
        return await fetchForAll(owner).finally(stop)
      }
      if (clock.now() > deadline) {
        throw new WechatError('WECHAT_TOKEN_TIMEOUT', `no ${name} within ${waitTimeout} ms: another process is fetching it`, { statusCode: 503, fault: 'wechat', retryable: true })
      }
      // Waiters poll for the value, not the lock, and with jitter.
      await clock.sleep(30 + 90 * Math.random())
    }
  }

  async function fetchForAll (owner: string): Promise<string> {
    try {
      await failures.check()
      const issued = await issuer.issueShared()
      const written = await ask(() => store.complete(key, owner, issued.value, issued.ttl))
      if (written?.answer === false) {
        // The lease was lost: the process that took over has, or will have, a newer value.
        const newer = (await ask(() => store.read(key)))?.answer
        if (newer && isToken(newer.value)) return adopt(newer.value, newer.ttl, true)
      }
      if (!written) fetchedAloneAt = clock.now()
      return adopt(issued.value, issued.ttl, written?.answer === true)
    } catch (error) {
      await failures.remember(error, true)
      await ask(() => store.release(key, owner))
      throw error
    }
  }

  /** Redis is unavailable: keep a valid value; otherwise fetch at most once a minute, since that may invalidate another process's token. */
  async function fetchAlone (): Promise<string> {
    if (current && clock.now() < current.until) return current.value
    if (clock.now() - fetchedAloneAt < FETCH_ALONE_GAP) {
      throw new WechatError('WECHAT_STORE', `no ${name}: the shared store is unreachable and this process has fetched one less than a minute ago`, { statusCode: 503, fault: 'network', retryable: true })
    }
    try {
      const issued = await issuer.issueUnshared()
      fetchedAloneAt = clock.now()
      return adopt(issued.value, issued.ttl, false)
    } catch (error) {
      // WeChat may have issued a value even if its answer was lost, so this attempt counts.
      if ((error as { outcome?: string }).outcome === 'unknown') fetchedAloneAt = clock.now()
      await failures.remember(error, false)
      throw error
    }
  }

  function refresh (minTtl: number): Promise<string> {
    inFlight ??= obtain(minTtl).finally(() => { inFlight = undefined })
    return inFlight
  }

  /** In the background: the current value is still valid. */
  function refreshBehind (held: Current): void {
    held.refreshAt = clock.now() + Math.min(30_000, (held.until - clock.now()) / 4)
    // Require a little more than our value has left, so that the same value read back does not count as new.
    const minTtl = (held.until - clock.now()) * 1.1 + 50
    refresh(minTtl).catch((error: unknown) => {
      log.warn({ err: error }, `${name}: early refresh failed, the old value stays in use`)
    })
  }

  /** Shares a value that was fetched while the store was unavailable, or replaces it with the shared one. */
  async function share (held: Current): Promise<void> {
    const owner = randomUUID()
    const turn = (await ask(() => store.acquire(key, owner, LEASE)))?.answer
    // A caller may have seen it fail meanwhile: then do not share it.
    const left = current === held ? held.until - clock.now() : 0
    if (turn?.state === 'acquired' && left > 0) held.shared = (await ask(() => store.complete(key, owner, held.value, left)))?.answer === true
    else if (turn?.state === 'acquired') await ask(() => store.release(key, owner))
    else if (turn?.state === 'done' && !isToken(turn.value)) await ask(() => store.delete(key, turn.value))
    else if (turn?.state === 'done' && left > 0) adopt(turn.value, turn.ttl, true)
  }

  return {
    get () {
      const now = clock.now()
      if (current && now < current.until) {
        if (!current.shared && !sharing && guard.isAvailable()) {
          sharing = true
          share(current).finally(() => { sharing = false })
        } else if (now >= current.refreshAt && !inFlight) refreshBehind(current)
        return current.promise
      }
      const refusal = failures.current()
      return refusal ? Promise.reject(refusal) : refresh(0)
    },

    async invalidate (value) {
      // Many callers may report the same value: delete it once.
      if (current?.value === value || dropping?.value !== value) {
        if (current?.value === value) current = undefined
        dropping = { value, done: ask(() => store.delete(key, value, issuer.tombstone(value))) }
      }
      await dropping.done
    },

    status () {
      const now = clock.now()
      const failing = failures.current()
      return {
        expiresIn: current && now < current.until ? Math.floor((current.until - now) / 1000) : 0,
        storeReachable: guard.reachable(),
        ...(failing && { failing: failing.wechatCode ?? failing.code })
      }
    }
  }
}
