/** One-time codes of logins, redeemed once however often, and at how many processes, the same request arrives. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from './log.ts'
import { keepLease } from './store/lease.ts'
import { createMemoryStore } from './store/memory.ts'
import type { Store } from './store/store.ts'

/**
 * The outcome of `redeem`, its own or that of the twin that was there first; undefined if that one is over: only a request
 * that arrived while it ran is a twin, one that comes after it is a replay. @throws what `redeem` throws
 */
export type RedeemOnce = (key: string, redeem: () => Promise<string>, log: Pick<Log, 'error'>) => Promise<string | undefined>

/** Milliseconds that a twin waits for the first; WeChat's client may send two. */
const TWIN_WAIT = 10_000
/** Milliseconds between a twin's looks. */
const LOOK_AGAIN = 25
const FAILED = 'failed'

/**
 * `remember`: milliseconds until a key is forgotten, after which WeChat alone refuses its code; `passing`: whether the code may
 * be good still after this error, so that the same request, sent again, is no replay.
 */
export function createRedeemOnce (shared: Store, remember: number, passing: (error: unknown) => boolean = () => false): RedeemOnce {
  const own = createMemoryStore()

  return async (key, redeem, log) => {
    const id = randomUUID()
    const deadline = performance.now() + TWIN_WAIT
    let store = shared
    let waited = false
    while (performance.now() < deadline) {
      let turn
      try {
        turn = await store.acquire(key, id, TWIN_WAIT)
      } catch (err) {
        log.error({ err }, 'fastify-wechat-pay: the shared store is unreachable; this process tracks only its own logins')
        store = own
        continue
      }
      if (turn.state === 'acquired') {
        // However slow WeChat is: a twin that redeemed the code a second time would be told that it is used.
        const letGo = keepLease(store, key, id, TWIN_WAIT)
        const outcome = await redeem().finally(letGo).catch(async (error: unknown) => {
          await (passing(error) ? store.release(key, id) : store.complete(key, id, FAILED, remember)).catch(() => {})
          throw error
        })
        // Not written, it costs a twin its answer and no more: WeChat redeems a code once.
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
