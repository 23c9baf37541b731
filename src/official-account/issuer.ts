/** Fetches a usable value from WeChat: checked, and never one that a process has already seen fail. */
import { createHash } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { tokenChannel, traced } from '../diagnostics.ts'
import type { TokenTrace } from '../diagnostics.ts'
import { WechatError, WechatReplyError } from '../errors.ts'
import type { StoreGuard } from '../store/guard.ts'
import type { Store } from '../store/store.ts'

export interface Issued {
  value: string
  /** Seconds, as received from WeChat. */
  expiresIn: unknown
}

export interface Usable {
  value: string
  /** Milliseconds it may be used. */
  ttl: number
}

export interface IssuerParts {
  name: string
  key: string
  store: Store
  guard: StoreGuard
  clock: Pick<Clock, 'now'>
  /** Fetches a value from WeChat. `force`: WeChat keeps returning a value that is known to be invalid. */
  issue (force: boolean): Promise<Issued>
}

export interface Issuer {
  /** For all processes, called by the holder of the lease. @throws WechatError `WECHAT_TOKEN_CONTESTED` while another system keeps replacing the value */
  issueShared (): Promise<Usable>
  /** Without the shared store. */
  issueUnshared (): Promise<Usable>
  /** The record that replaces a failed value in the store. */
  tombstone (value: string): { key: string, value: string, ttl: number }
}

/** Milliseconds before expiry in which a value is no longer used, so that a call made with it arrives in time. */
const MARGIN = 10_000
/** Seconds. */
const MAX_LIFETIME = 86_400
/** Renewals because a value was rejected, not because of its age: many of them mean that another system fetches, too. */
const CONTEST = { limit: 3, window: 20_000 }
/** WeChat's own limits of force_refresh: 20 a day, 30 seconds apart. */
const FORCE = { gap: 30_000, limit: 20, window: 86_400_000 }
/** How long to remember a failed value, in case WeChat returns it again. */
const TOMBSTONE_TTL = 240_000

export function createIssuer ({ name, key, store, guard, clock, issue }: IssuerParts): Issuer {
  const deadKey = `${key}:dead`

  async function checked (force: boolean): Promise<Usable> {
    const trace: TokenTrace = { name, forced: force }
    return await traced(tokenChannel, trace, async () => {
      const usable = await fetched(force)
      trace.ttl = usable.ttl
      return usable
    })
  }

  async function fetched (force: boolean): Promise<Usable> {
    // Count the lifetime from before the request: WeChat's clock started somewhere between then and the answer.
    const startedAt = clock.now()
    const { value, expiresIn } = await issue(force)
    if (!isToken(value)) throw new WechatReplyError(name, 'WeChat\'s answer has no usable value')
    if (typeof expiresIn !== 'number' || !Number.isInteger(expiresIn) || expiresIn <= 0 || expiresIn > MAX_LIFETIME) {
      throw new WechatReplyError(name, 'WeChat\'s answer has an invalid expires_in')
    }
    const life = expiresIn * 1000
    return { value, ttl: Math.max(1, life - Math.min(MARGIN, life / 20) - (clock.now() - startedAt)) }
  }

  /** How often, across all processes; 1 while the store is unavailable. */
  async function counted (what: string, window: number): Promise<number> {
    return (await guard.ask(() => store.increment(`${key}:${what}`, window)))?.answer ?? 1
  }

  const contested = () => new WechatError('WECHAT_TOKEN_CONTESTED', `${name}: another system keeps replacing it`, {
    statusCode: 503,
    fault: 'caller',
    retryable: true,
    advice: 'Find the other system that fetches tokens for this account; use stable_token in both, or share one store.',
    adviceZh: '有另一系统在不断刷新同一公众号的 token，请找出它，并统一使用 stable_token 或共用同一缓存。'
  })

  return {
    async issueShared () {
      const stored = (await guard.ask(() => store.read(deadKey)))?.answer?.value
      const dead = stored !== undefined && DIGEST.test(stored) ? stored : undefined
      if (dead && await counted('contest', CONTEST.window) > CONTEST.limit) throw contested()
      const issued = await checked(false)
      if (digest(issued.value) !== dead) return issued
      const recently = await counted('forced', FORCE.gap)
      const today = await counted('forced-today', FORCE.window)
      if (recently > 1 || today > FORCE.limit) throw contested()
      const forced = await checked(true)
      if (digest(forced.value) === dead) throw contested()
      return forced
    },
    issueUnshared: () => checked(false),
    tombstone: value => ({ key: deadKey, value: digest(value), ttl: TOMBSTONE_TTL })
  }
}

/** Up to 512 visible ASCII characters. */
export function isToken (value: unknown): value is string {
  return typeof value === 'string' && /^[\x21-\x7e]{1,512}$/.test(value)
}

/** SHA-256 in base64url. */
const DIGEST = /^[\w-]{43}$/
const digest = (value: string) => createHash('sha256').update(value).digest('base64url')
