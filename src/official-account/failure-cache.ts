/** Caches WeChat's failures for a short time, so that callers do not flood WeChat with calls that fail. */
import { createHmac } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { WechatApiError, WechatError } from '../errors.ts'
import type { StoreGuard } from '../store/guard.ts'
import type { Store } from '../store/store.ts'
import { errorCode } from './error-codes.ts'

/** How long to cache each kind of failure, in milliseconds. */
const QUOTA_FOR = 60_000
const REFUSED_FOR = 10_000
const FAULT_FOR = 1000

/** Errors about the account: the same on every machine, so they are shared with the other processes. */
const ACCOUNT_VERDICTS = new Set(['45009', '40013', '50004', '50007'])
/** Errors about the secret: shared with processes that have the same one. */
const SECRET_VERDICTS = new Set(['40125', '40243'])

export interface FailureCacheParts {
  /** The value's name in errors. */
  name: string
  /** The store's key for shared failures. */
  key: string
  /** The secret in the request. */
  secret: string | undefined
  store: Store
  guard: StoreGuard
  clock: Pick<Clock, 'now'>
}

export interface FailureCache {
  /** The cached failure, if it has not expired. */
  current (): WechatError | undefined
  remember (error: unknown, share: boolean): Promise<void>
  /** @throws WechatApiError if another process got a failure a moment ago that applies to this one, too */
  check (): Promise<void>
  clear (): void
}

export function createFailureCache ({ name, key, secret, store, guard, clock }: FailureCacheParts): FailureCache {
  // A process with an old secret must not block those with the right one.
  const secretKey = secret === undefined ? undefined : `${key}:${fingerprint(secret)}`
  let failure: { error: WechatError, until: number } | undefined

  async function sharedFailure (at: string | undefined, verdicts: ReadonlySet<string>) {
    const shared = at === undefined ? undefined : (await guard.ask(() => store.read(at)))?.answer
    const verdict = shared && verdictIn(shared.value, verdicts)
    return verdict && { ...verdict, ttl: shared.ttl }
  }

  return {
    current: () => failure && clock.now() < failure.until ? failure.error : undefined,

    async remember (error, share) {
      // A missing ticket of a third-party platform is not WeChat's answer, and ends with the next push.
      if (!(error instanceof WechatError) || error === failure?.error || error.code === 'WECHAT_TICKET') return
      const ms = cacheTime(error)
      failure = { error, until: clock.now() + ms }
      const { wechatCode = '', wechatMessage } = error
      const at = ACCOUNT_VERDICTS.has(wechatCode) ? key : SECRET_VERDICTS.has(wechatCode) ? secretKey : undefined
      if (share && at !== undefined) await guard.ask(() => store.set(at, JSON.stringify({ wechatCode, wechatMessage }), ms))
    },

    async check () {
      const [account, ofSecret] = await Promise.all([sharedFailure(key, ACCOUNT_VERDICTS), sharedFailure(secretKey, SECRET_VERDICTS)])
      const shared = account ?? ofSecret
      if (!shared) return
      const { wechatCode, wechatMessage, ttl } = shared
      const error = new WechatApiError(`${name} was refused by WeChat a moment ago: ${wechatCode} ${wechatMessage}`, { ...errorCode(wechatCode), wechatCode, wechatMessage })
      failure = { error, until: clock.now() + Math.min(ttl, cacheTime(error)) }
      throw error
    },

    clear () { failure = undefined }
  }
}

function cacheTime (error: WechatError): number {
  if (error.wechatCode === '45009') return QUOTA_FOR
  return error instanceof WechatApiError && !error.retryable ? REFUSED_FOR : FAULT_FOR
}

/** Undefined for anything that our processes did not write. */
function verdictIn (note: string, verdicts: ReadonlySet<string>): { wechatCode: string, wechatMessage: string } | undefined {
  try {
    const { wechatCode, wechatMessage = '' } = JSON.parse(note)
    if (verdicts.has(wechatCode) && typeof wechatMessage === 'string') return { wechatCode, wechatMessage }
  } catch { /* invalid data at our key */ }
  return undefined
}

/** Identifies a secret without revealing it: 64 bits of an HMAC under it. */
const fingerprint = (secret: string) => createHmac('sha256', secret).update('fastify-wechat-pay verdict').digest().subarray(0, 8).toString('base64url')
