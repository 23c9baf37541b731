/**
 * A value that WeChat issues for a while and that all processes of an account must share: the access_token, a ticket.
 * A hot read touches memory only; a cold one costs one call to WeChat, however many callers and processes wait for it.
 */
import { createHash, randomUUID } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { WechatApiError, WechatError, WechatReplyError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Store } from '../store/store.ts'
import { ERROR_CODES } from './error-codes.ts'

export interface Issued {
  value: string
  /** Seconds, as WeChat said it. */
  expiresIn: unknown
}

export interface CredentialParts {
  /** What it is called in errors and logs: access_token, jsapi_ticket. */
  name: string
  /** Its key in the store. */
  key: string
  store: Store
  clock: Clock
  log: Log
  /** Asks WeChat. `force` when WeChat keeps answering a value that is known to be dead. */
  issue (force: boolean): Promise<Issued>
  /** Milliseconds a caller without a value waits at most. Default 15000. */
  waitTimeout?: number
}

export interface CredentialStatus {
  /** Whole seconds the value in this process has left; 0 if there is none. */
  expiresIn: number
  /** False while the shared store does not answer and this process looks after itself. */
  storeReachable: boolean
  /** WeChat's code (or ours) of the last failure that is still being waited out. */
  failing?: string
}

export interface Credential {
  get (): Promise<string>
  /** Forgets this value, here and in the store, if it is still the one in use. */
  invalidate (value: string): Promise<void>
  status (): CredentialStatus
}

/** The old value is renewed this long before it ends (less for short-lived ones), a little different in each process. */
const AHEAD = 240_000
/** How long a refresher that stops renewing its lease keeps the others waiting. */
const LEASE = 3000
/** A value is not used in its last moments: a call made with it must still arrive in time. */
const MARGIN = 10_000
const MAX_LIFETIME = 86_400
/** How long a refusal is remembered, so that callers do not turn it into a flood. */
const REFUSED_FOR = 10_000
const QUOTA_FOR = 60_000
const FAULT_FOR = 1000
/** Renewals that are due to a dead value, not to its age: somebody else mints too, and would win a race of minting. */
const CONTEST = { limit: 3, window: 20_000 }
/** WeChat's own limits of force_refresh: 20 a day, 30 seconds apart. */
const FORCE = { gap: 30_000, limit: 20, window: 86_400_000 }
/** How long a value that failed is remembered, to know it again should WeChat answer it once more. */
const DEAD_FOR = 240_000
const STORE_RETRY = 1000
const MINT_ALONE_GAP = 60_000

interface Current { promise: Promise<string>, value: string, until: number, refreshAt: number, shared: boolean }

/** Verdicts on the account, the same from every machine: worth telling the other processes. */
const ACCOUNT_VERDICTS = new Set(['45009', '40013', '40125', '50004', '50007'])

export function createCredential (parts: CredentialParts): Credential {
  const { name, key, store, clock, log, issue, waitTimeout = 15_000 } = parts
  const failureKey = `${key}:failure`
  const deadKey = `${key}:dead`

  let current: Current | undefined
  let inFlight: Promise<string> | undefined
  let failure: { error: WechatError, until: number } | undefined
  let storeDownUntil: number | undefined
  let mintedAloneAt = -Infinity
  let dropping: { value: string, done: Promise<unknown> } | undefined

  function adopt (value: string, ttl: number, shared: boolean): string {
    const now = clock.now()
    const ahead = Math.min(AHEAD, ttl / 5) * (0.85 + 0.3 * Math.random())
    current = { value, promise: Promise.resolve(value), until: now + ttl, refreshAt: now + ttl - ahead, shared }
    failure = undefined
    return value
  }

  function storeFailed (error: unknown): void {
    if (storeDownUntil === undefined) {
      log.error({ err: error }, `${name}: the shared store is unreachable; this process looks after itself until it is back`)
    }
    storeDownUntil = clock.now() + STORE_RETRY
  }

  function storeAnswered (): void {
    if (storeDownUntil !== undefined) log.info({}, `${name}: the shared store is back`)
    storeDownUntil = undefined
  }

  /** Undefined, never an exception, while the store is away: it is asked again after a moment. */
  async function ask<T> (question: () => Promise<T>): Promise<{ answer: T } | undefined> {
    if (storeDownUntil !== undefined && clock.now() < storeDownUntil) return undefined
    try {
      const answer = await question()
      storeAnswered()
      return { answer }
    } catch (error) {
      storeFailed(error)
      return undefined
    }
  }

  /** One value for this process, whoever fetches it. `minTtl`: how much life a stored one must have to be good enough. */
  async function obtain (minTtl: number): Promise<string> {
    const deadline = clock.now() + waitTimeout
    const owner = randomUUID()
    for (;;) {
      const turn = (await ask(() => store.take(key, owner, LEASE, minTtl)))?.answer
      if (!turn) return await mintAlone()
      if (turn.state === 'done' && isToken(turn.value)) return adopt(turn.value, turn.ttl, true)
      // Rubbish at our key: make way for the next one.
      if (turn.state === 'done') await ask(() => store.note(key, '', 1))
      if (turn.state === 'mine') {
        const beat = setInterval(() => { store.extend(key, owner, LEASE).catch(storeFailed) }, LEASE / 3)
        return await mintForAll(owner).finally(() => clearInterval(beat))
      }
      if (clock.now() > deadline) {
        throw new WechatError('WECHAT_TOKEN_TIMEOUT', `no ${name} within ${waitTimeout} ms: another process is fetching it`, { statusCode: 503, fault: 'wechat', retryable: true })
      }
      // Those who wait look for the value, not for the lock, and not all at the same moment.
      await clock.sleep(30 + 90 * Math.random())
    }
  }

  async function mintForAll (owner: string): Promise<string> {
    try {
      const remembered = await ask(() => store.read(failureKey))
      if (remembered?.answer) throw recall(remembered.answer.value, remembered.answer.ttl)
      const issued = await fetchLive()
      const written = await ask(() => store.finish(key, owner, issued.value, issued.ttl))
      if (written?.answer === false) {
        // We came too late: whoever took over has, or will have, a newer one.
        const newer = (await ask(() => store.read(key)))?.answer
        if (newer && isToken(newer.value)) return adopt(newer.value, newer.ttl, true)
      }
      if (!written) mintedAloneAt = clock.now()
      return adopt(issued.value, issued.ttl, written?.answer === true)
    } catch (error) {
      await noteFailure(error, true)
      await ask(() => store.release(key, owner))
      throw error
    }
  }

  /** Redis is away: whoever has a live value keeps it; else one fetch a minute, since it may kill another process's token. */
  async function mintAlone (): Promise<string> {
    if (current && clock.now() < current.until) return current.value
    if (clock.now() - mintedAloneAt < MINT_ALONE_GAP) {
      throw new WechatError('WECHAT_STORE', `no ${name}: the shared store is unreachable and this process has fetched one less than a minute ago`, { statusCode: 503, fault: 'network', retryable: true })
    }
    try {
      const issued = await issueChecked(false)
      mintedAloneAt = clock.now()
      return adopt(issued.value, issued.ttl, false)
    } catch (error) {
      // WeChat may have issued one although its answer was lost: that counts.
      if ((error as { outcome?: string }).outcome === 'unknown') mintedAloneAt = clock.now()
      await noteFailure(error, false)
      throw error
    }
  }

  /** How often, by all processes; as if for the first time while the store is away. */
  async function counted (what: string, window: number): Promise<number> {
    return (await ask(() => store.count(`${key}:${what}`, window)))?.answer ?? 1
  }

  /** A value that is not one of those the processes have already seen fail. */
  async function fetchLive (): Promise<{ value: string, ttl: number }> {
    const dead = (await ask(() => store.read(deadKey)))?.answer?.value
    if (dead) {
      const renewals = await counted('contest', CONTEST.window)
      if (renewals > CONTEST.limit) throw contested()
    }
    const issued = await issueChecked(false)
    if (digest(issued.value) !== dead) return issued
    const soon = await counted('forced', FORCE.gap)
    const today = await counted('forced-today', FORCE.window)
    if (soon > 1 || today > FORCE.limit) throw contested()
    const forced = await issueChecked(true)
    if (digest(forced.value) === dead) throw contested()
    return forced
  }

  async function issueChecked (force: boolean): Promise<{ value: string, ttl: number }> {
    // Life counts from before the request: WeChat's clock started somewhere between then and the answer.
    const asked = clock.now()
    const { value, expiresIn } = await issue(force)
    if (!isToken(value)) throw new WechatReplyError(name, 'WeChat answered without a usable value')
    if (typeof expiresIn !== 'number' || !Number.isInteger(expiresIn) || expiresIn <= 0 || expiresIn > MAX_LIFETIME) {
      throw new WechatReplyError(name, 'WeChat answered with an unusable expires_in')
    }
    const life = expiresIn * 1000
    return { value, ttl: Math.max(1, life - Math.min(MARGIN, life / 20) - (clock.now() - asked)) }
  }

  const contested = () => new WechatError('WECHAT_TOKEN_CONTESTED', `${name}: another system keeps replacing it`, {
    statusCode: 503,
    fault: 'caller',
    retryable: true,
    advice: 'Find the other system that fetches tokens for this account; use stable_token in both, or share one store.',
    adviceZh: '有另一系统在不断刷新同一公众号的 token，请找出它，并统一使用 stable_token 或共用同一缓存。'
  })

  async function noteFailure (error: unknown, tellOthers: boolean): Promise<void> {
    if (!(error instanceof WechatError) || error === failure?.error) return
    const verdict = error instanceof WechatApiError && !error.retryable
    const ms = error.wechatCode === '45009' ? QUOTA_FOR : verdict ? REFUSED_FOR : FAULT_FOR
    failure = { error, until: clock.now() + ms }
    if (!tellOthers || !ACCOUNT_VERDICTS.has(error.wechatCode ?? '')) return
    const memo = JSON.stringify({ wechatCode: error.wechatCode, wechatMessage: error.wechatMessage })
    await ask(() => store.note(failureKey, memo, ms))
  }

  /** What another process was told by WeChat holds here too, for as long as it holds there. */
  function recall (memo: string, ttl: number): WechatError {
    let said: { wechatCode?: unknown, wechatMessage?: unknown } = {}
    try { said = JSON.parse(memo) } catch { /* rubbish at our key still means: wait until it is gone */ }
    const wechatCode = String(said.wechatCode)
    const error = new WechatApiError(`${name} was refused by WeChat a moment ago: ${wechatCode} ${said.wechatMessage}`, {
      ...ERROR_CODES[wechatCode], wechatCode, wechatMessage: String(said.wechatMessage)
    })
    failure = { error, until: clock.now() + ttl }
    return error
  }

  function refresh (minTtl: number): Promise<string> {
    inFlight ??= obtain(minTtl).finally(() => { inFlight = undefined })
    return inFlight
  }

  /** Nobody waits for this one: the value at hand is still good. */
  function refreshBehind (held: Current): void {
    held.refreshAt = clock.now() + Math.min(30_000, (held.until - clock.now()) / 4)
    // A little more than ours has left: the same value, read back, must not count as a new one.
    const minTtl = (held.until - clock.now()) * 1.1 + 50
    refresh(minTtl).catch((error: unknown) => {
      log.warn({ err: error }, `${name}: early refresh failed, the old value is still served`)
    })
  }

  /** A value fetched while the store was away becomes everybody's, or gives way to theirs. */
  function share (held: Current): void {
    held.shared = true
    inFlight ??= (async () => {
      const owner = randomUUID()
      const turn = (await ask(() => store.take(key, owner, LEASE)))?.answer
      if (turn?.state === 'done' && isToken(turn.value)) return adopt(turn.value, turn.ttl, true)
      const left = held.until - clock.now()
      const written = turn?.state === 'mine' && left > 0 && await ask(() => store.finish(key, owner, held.value, left))
      if (!written) held.shared = false
      return held.value
    })().finally(() => { inFlight = undefined })
  }

  return {
    get () {
      const now = clock.now()
      if (current && now < current.until) {
        if (!current.shared && !inFlight && (storeDownUntil === undefined || now >= storeDownUntil)) share(current)
        else if (now >= current.refreshAt && !inFlight) refreshBehind(current)
        return current.promise
      }
      if (failure && now < failure.until) return Promise.reject(failure.error)
      return refresh(0)
    },

    async invalidate (value) {
      // A hundred callers who saw the same value fail are one piece of news.
      if (current?.value === value || dropping?.value !== value) {
        if (current?.value === value) current = undefined
        dropping = { value, done: ask(() => store.drop(key, value, { key: deadKey, value: digest(value), ttl: DEAD_FOR })) }
      }
      await dropping.done
    },

    status () {
      const now = clock.now()
      return {
        expiresIn: current && now < current.until ? Math.floor((current.until - now) / 1000) : 0,
        storeReachable: storeDownUntil === undefined,
        ...(failure && now < failure.until && { failing: failure.error.wechatCode ?? failure.error.code })
      }
    }
  }
}

/** Up to 512 visible ASCII characters. */
function isToken (value: unknown): value is string {
  return typeof value === 'string' && /^[\x21-\x7e]{1,512}$/.test(value)
}

const digest = (value: string) => createHash('sha256').update(value).digest('base64url')
