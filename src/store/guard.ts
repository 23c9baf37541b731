/** Calls a shared store that may be unavailable, so that callers do not wait for it again and again. */
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'

export interface StoreGuard {
  /** The answer, wrapped in an object; undefined, never an exception, while the store is unavailable. */
  ask<T> (question: () => Promise<T>): Promise<{ answer: T } | undefined>
  /** Whether to call the store now: after a failure it is left alone for a moment. */
  isAvailable (): boolean
  /** False from a failure until the next answer. */
  reachable (): boolean
}

/** Milliseconds to leave the store alone after a failure. */
const RETRY_AFTER = 1000

/** `name`: identifies the store in the log. Each outage is logged twice: when it begins and when it is over. */
export function createStoreGuard (clock: Pick<Clock, 'now'>, log: Log, name: string): StoreGuard {
  let downUntil: number | undefined
  const isAvailable = () => downUntil === undefined || clock.now() >= downUntil

  return {
    async ask (question) {
      if (!isAvailable()) return undefined
      try {
        const answer = await question()
        if (downUntil !== undefined) log.info({}, `${name}: the shared store is back`)
        downUntil = undefined
        return { answer }
      } catch (error) {
        if (downUntil === undefined) {
          log.error({ err: error }, `${name}: the shared store is unreachable; this process works without it until it is back`)
        }
        downUntil = clock.now() + RETRY_AFTER
        return undefined
      }
    },
    isAvailable,
    reachable: () => downUntil === undefined
  }
}
