/** Runs work that several deliveries request and that must succeed once: one run at a time across all processes, and none after a success. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { WechatConfigError, WechatError } from './errors.ts'
import { silent } from './log.ts'
import type { Log } from './log.ts'
import { keepLease } from './store/lease.ts'
import { createOutbox } from './store/outbox.ts'
import type { Store } from './store/store.ts'
import { withTimeout } from './with-timeout.ts'

export interface OnceOptions {
  /** Milliseconds a delivery waits for the work, whether it started it or not. The work continues after that. */
  timeout: number
  /** Milliseconds to remember a success. At most a year. */
  remember: number
  /** Milliseconds until running work counts as hung and the next delivery may start it again. At most a day. Default ten minutes. */
  limit?: number | undefined
  /** While the store is unavailable: `refuse` (default), or `process` to rely on this process's memory only. */
  storeAway?: 'refuse' | 'process' | undefined
  log?: Log | undefined
}

/** Renewed while the work runs; a dead process blocks the others no longer than this. */
const LEASE = 3000
const LIMIT = 600_000
const DAY = 86_400_000
const DONE = '1'

export type Once = (key: string, work: () => Promise<void>) => Promise<void>

export interface ClosableOnce extends Once {
  /** Waits up to `patience` ms for running work, then writes the successes that the store does not have yet. */
  close (patience: number): Promise<void>
}

/**
 * The returned function resolves once the work for `key` has succeeded, now or earlier, in this process or another.
 * Work that fails, or whose process dies, is run again by the next caller. If a success cannot be written to the store, it
 * is kept in this process and written as soon as the store is back.
 * @throws whatever the work threw; WechatError `WECHAT_TIMEOUT` (503) if it did not finish in time; `WECHAT_STORE` (503) while the store is unavailable;
 * at once WechatConfigError, which names the option
 */
export function createOnce (store: Store, { timeout, remember, limit = LIMIT, storeAway = 'refuse', log = silent }: OnceOptions): ClosableOnce {
  for (const [option, value, most] of [['timeout', timeout, DAY], ['remember', remember, 366 * DAY], ['limit', limit, DAY]] as const) {
    if (!(typeof value === 'number' && value >= 1 && value <= most)) throw new WechatConfigError(option, `must be 1 to ${most} milliseconds`)
  }
  const successes = createOutbox(store, log, 'handled notifications')
  // A lease belongs to one run of one process.
  const self = randomUUID()
  let runs = 0
  // Running in this process for a key: acquiring the lease, then the work. Resolves with true on success.
  const inProgress = new Map<string, Promise<boolean>>()

  /** False if the work is already done. */
  async function takeTurn (key: string, owner: string, deadline: number): Promise<boolean> {
    let wasLocked = false
    for (;;) {
      let turn
      try {
        turn = await store.acquire(key, owner, LEASE)
      } catch (error) {
        // Another process was working on it a moment ago: do not run at the same time.
        if (storeAway !== 'process' || wasLocked) throw error
        // Runs without a lease, which is acquired later if the store comes back.
        return true
      }
      // The store answers: write what it missed.
      successes.flush()
      if (turn.state !== 'locked') return turn.state === 'acquired'
      wasLocked = true
      if (performance.now() > deadline) throw tooLate()
      await sleep(20 + 30 * Math.random())
    }
  }

  async function attempt (key: string, owner: string, work: () => Promise<void>, deadline: number, hung: () => void): Promise<void> {
    if (!await takeTurn(key, owner, deadline)) return
    const stop = keepLease(store, key, owner, LEASE)
    const timer = setTimeout(() => {
      log.error({ key, limit }, 'fastify-wechat-pay: a handler exceeded handlerLimit; the next delivery runs it again')
      stop()
      hung()
    }, limit).unref()
    try {
      await work()
    } catch (error) {
      stop()
      await store.release(key, owner).catch(() => {})
      throw error
    } finally {
      stop()
      clearTimeout(timer)
    }
    // A success counts even if the lease was lost; another owner's lease is left alone.
    await successes.put(key, DONE, remember, async () => {
      if (!await store.complete(key, owner, DONE, remember)) await store.set(key, DONE, remember)
    })
  }

  function begin (key: string, work: () => Promise<void>, deadline: number): Promise<void> {
    const forget = () => { if (inProgress.get(key) === outcome) inProgress.delete(key) }
    const running = attempt(key, `${self}:${++runs}`, work, deadline, forget)
    const outcome = running.then(() => {
      forget()
      return true
    }, () => {
      forget()
      return false
    })
    inProgress.set(key, outcome)
    return running
  }

  async function once (key: string, work: () => Promise<void>): Promise<void> {
    const deadline = performance.now() + timeout
    try {
      while (!successes.has(key)) {
        const other = inProgress.get(key)
        if (!other) return await before(deadline, begin(key, work, deadline))
        if (await before(deadline, other)) return
      }
    } catch (error) {
      // The work succeeded in time; only the store is late.
      if (!successes.has(key)) throw error
    }
  }

  return Object.assign(once, {
    async close (patience: number) {
      const ending = new AbortController()
      await Promise.race([Promise.all(inProgress.values()), sleep(patience, undefined, { signal: ending.signal }).catch(() => {})])
      ending.abort()
      await successes.close()
    }
  })
}

const tooLate = () => new WechatError('WECHAT_TIMEOUT', 'the handler did not finish in time', { statusCode: 503, retryable: true })

/** @throws WechatError `WECHAT_TIMEOUT` at the deadline */
function before<T> (deadline: number, running: Promise<T>): Promise<T> {
  return withTimeout(deadline - performance.now(), () => running, tooLate)
}
