/** Asks a shared store that may be away, without making anybody wait for it twice. */
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'

export interface StoreGuard {
  /** The answer in a box; undefined, never an exception, while the store is away. */
  ask<T> (question: () => Promise<T>): Promise<{ answer: T } | undefined>
  /** Whether the store is worth asking just now: after a failure it is left alone for a moment. */
  askable (): boolean
  /** False from a failure until the next answer. */
  reachable (): boolean
}

/** Milliseconds a store that failed is left alone. */
const RETRY_AFTER = 1000

/** `name`: whose store, in the log, which hears of each outage twice: when it begins and when it is over. */
export function createStoreGuard (clock: Pick<Clock, 'now'>, log: Log, name: string): StoreGuard {
  let downUntil: number | undefined
  const askable = () => downUntil === undefined || clock.now() >= downUntil

  return {
    async ask (question) {
      if (!askable()) return undefined
      try {
        const answer = await question()
        if (downUntil !== undefined) log.info({}, `${name}: the shared store is back`)
        downUntil = undefined
        return { answer }
      } catch (error) {
        if (downUntil === undefined) {
          log.error({ err: error }, `${name}: the shared store is unreachable; this process looks after itself until it is back`)
        }
        downUntil = clock.now() + RETRY_AFTER
        return undefined
      }
    },
    askable,
    reachable: () => downUntil === undefined
  }
}
