import { setTimeout as delay } from 'node:timers/promises'

/** Where life-times are measured: a monotonic clock, so that a host whose wall clock jumps keeps working. */
export interface Clock {
  /** Milliseconds since some fixed moment; never goes back. */
  now (): number
  sleep (ms: number): Promise<void>
  /** Does something again and again; the returned function ends it. */
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
