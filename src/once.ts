/** Work that many deliveries ask for and that must succeed once: one at a time, by whichever process, remembered after. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { WechatConfigError, WechatError } from './errors.ts'
import { silent } from './log.ts'
import type { Log } from './log.ts'
import { keepLease } from './store/lease.ts'
import { createOutbox } from './store/outbox.ts'
import type { Store } from './store/store.ts'
import { within } from './within.ts'

export interface OnceOptions {
  /** Milliseconds a delivery waits for the outcome of the work, its own or another's. The work goes on after that. */
  timeout: number
  /** Milliseconds a success is remembered. At most a year. */
  remember: number
  /** Milliseconds that work may go on; then it counts as hung, and the next delivery may begin it again. At most a day. Default ten minutes. */
  limit?: number | undefined
  /** While the store is away: `refuse` (default), or `process` with no more memory than this process's own. */
  storeAway?: 'refuse' | 'process' | undefined
  log?: Log | undefined
}

/** Renewed while the work runs; a process that dies holds the others up no longer than this. */
const LEASE = 3000
const LIMIT = 600_000
const DAY = 86_400_000
const DONE = '1'

export type Once = (key: string, work: () => Promise<void>) => Promise<void>

export interface ClosableOnce extends Once {
  /** Waits up to `patience` ms for work that still goes on, then writes down what the store has not been told yet. */
  close (patience: number): Promise<void>
}

/**
 * The returned function resolves once the work for `key` has succeeded, now or before, here or in another process;
 * work that fails, or whose process dies, is run again by the next who asks. A success that the store cannot be told of
 * is kept in this process, and written as soon as the store is back.
 * @throws whatever the work threw; WechatError `WECHAT_TIMEOUT` (503) when it did not end in time; `WECHAT_STORE` (503) while the store is away;
 * at once WechatConfigError, which names the option
 */
export function createOnce (store: Store, { timeout, remember, limit = LIMIT, storeAway = 'refuse', log = silent }: OnceOptions): ClosableOnce {
  for (const [option, value, most] of [['timeout', timeout, DAY], ['remember', remember, 366 * DAY], ['limit', limit, DAY]] as const) {
    if (!(typeof value === 'number' && value >= 1 && value <= most)) throw new WechatConfigError(option, `must be 1 to ${most} milliseconds`)
  }
  const successes = createOutbox(store, log, 'handled notifications')
  // What goes on in this process for a key: a turn being asked for, then the work. True once it has succeeded.
  const going = new Map<string, Promise<boolean>>()

  /** False if the work is done already. */
  async function takeTurn (key: string, owner: string, deadline: number): Promise<boolean> {
    let taken = false
    for (;;) {
      let turn
      try {
        turn = await store.acquire(key, owner, LEASE)
      } catch (error) {
        // Another process was at it a moment ago: not beside that one.
        if (storeAway !== 'process' || taken) throw error
        // Without a lease, which is taken later if the store comes back meanwhile.
        return true
      }
      // It answers: what it missed goes with this.
      successes.flush()
      if (turn.state !== 'locked') return turn.state === 'acquired'
      taken = true
      if (performance.now() > deadline) throw tooLate()
      await sleep(20 + 30 * Math.random())
    }
  }

  async function attempt (key: string, owner: string, work: () => Promise<void>, deadline: number, hung: () => void): Promise<void> {
    if (!await takeTurn(key, owner, deadline)) return
    const stop = keepLease(store, key, owner, LEASE)
    const timer = setTimeout(() => {
      log.error({ key, limit }, 'fastify-wechat-pay: a handler has not ended within its limit; the next delivery runs it again')
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
    // A success is one whoever holds the lease by now; another's is left alone.
    await successes.put(key, DONE, remember, async () => {
      if (!await store.complete(key, owner, DONE, remember)) await store.set(key, DONE, remember)
    })
  }

  function begin (key: string, work: () => Promise<void>, deadline: number): Promise<void> {
    const leave = () => { if (going.get(key) === outcome) going.delete(key) }
    const running = attempt(key, randomUUID(), work, deadline, leave)
    const outcome = running.then(() => true, () => false).finally(leave)
    going.set(key, outcome)
    return running
  }

  async function once (key: string, work: () => Promise<void>): Promise<void> {
    const deadline = performance.now() + timeout
    try {
      while (!successes.has(key)) {
        const other = going.get(key)
        if (!other) return await before(deadline, begin(key, work, deadline))
        if (await before(deadline, other)) return
      }
    } catch (error) {
      // The work has succeeded in time, and only the store has not.
      if (!successes.has(key)) throw error
    }
  }

  return Object.assign(once, {
    async close (patience: number) {
      const ending = new AbortController()
      await Promise.race([Promise.all(going.values()), sleep(patience, undefined, { signal: ending.signal }).catch(() => {})])
      ending.abort()
      await successes.close()
    }
  })
}

const tooLate = () => new WechatError('WECHAT_TIMEOUT', 'the handler did not finish in time', { statusCode: 503, retryable: true })

/** @throws WechatError `WECHAT_TIMEOUT` at the deadline */
async function before<T> (deadline: number, running: Promise<T>): Promise<T> {
  return await within(deadline - performance.now(), () => running, tooLate)
}
