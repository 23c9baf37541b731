/** Redeems one-time login codes once, even if the same request arrives several times at several processes. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from './log.ts'
import { keepLease } from './store/lease.ts'
import { createMemoryStore } from './store/memory.ts'
import type { Store } from './store/store.ts'

/**
 * Returns the result of `redeem`, or of a concurrent request with the same key. Undefined if that request has already
 * finished: then this one is a replay. @throws errors of `redeem`
 */
export type RedeemOnce = (key: string, redeem: () => Promise<string>, log: Pick<Log, 'error' | 'info'>) => Promise<string | undefined>

/** How long a concurrent request waits for the first, in milliseconds; WeChat's client may send two. */
const CONCURRENT_WAIT = 10_000
/** Milliseconds between checks while waiting. */
const LOOK_AGAIN = 25
const FAILED = 'failed'

/**
 * `remember`: milliseconds until a key is forgotten; afterwards only WeChat refuses the code. `passing`: whether the code may
 * still be valid after this error, so that repeating the request is not a replay.
 */
export function createRedeemOnce (shared: Store, remember: number, isTransient: (error: unknown) => boolean = () => false): RedeemOnce {
  const own = createMemoryStore()
  let isAway = false

  return async (key, redeem, log) => {
    const id = randomUUID()
    const deadline = performance.now() + CONCURRENT_WAIT
    let store = shared
    let waited = false
    while (performance.now() < deadline) {
      let turn
      try {
        turn = await store.acquire(key, id, CONCURRENT_WAIT)
        if (store === shared && isAway) {
          isAway = false
          log.info({}, 'fastify-wechat-pay: the shared store is back')
        }
      } catch (err) {
        // Each outage once: while it lasts, every login comes here.
        if (!isAway) log.error({ err }, 'fastify-wechat-pay: the shared store is unreachable; this process tracks only its own logins')
        isAway = true
        store = own
        continue
      }
      if (turn.state === 'acquired') {
        // However slow WeChat is: a concurrent request that redeemed the code again would get "code been used".
        const stopRenewing = keepLease(store, key, id, CONCURRENT_WAIT)
        const outcome = await redeem().finally(stopRenewing).catch(async (error: unknown) => {
          await (isTransient(error) ? store.release(key, id) : store.complete(key, id, FAILED, remember)).catch(() => {})
          throw error
        })
        // If this is lost, a concurrent request fails, nothing else: WeChat redeems a code only once.
        await store.complete(key, id, outcome, remember).catch(() => {})
        return outcome
      }
      if (turn.state === 'done') return waited && turn.value !== FAILED ? turn.value : undefined
      waited = true
      await sleep(LOOK_AGAIN)
    }
    return undefined
  }
}
