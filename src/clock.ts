import { setTimeout as delay } from 'node:timers/promises'

/** Measures lifetimes with a monotonic clock, so that a jump of the wall clock does no harm. */
export interface Clock {
  /** Milliseconds since an arbitrary moment; never goes back. */
  now (): number
  sleep (ms: number): Promise<void>
  /** Calls `act` every `ms` milliseconds; the returned function stops it. */
  every (ms: number, act: () => void): () => void
}

export const systemClock: Clock = {
  now: () => performance.now(),
  sleep: async ms => { await delay(ms) },
  every (ms, act) {
    const timer = setInterval(act, ms)
    return () => clearInterval(timer)
  }
}
