/** Records that must reach a shared store, however long it is unavailable: kept in this process until they are written. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Log } from '../log.ts'
import type { Store } from './store.ts'

/** Milliseconds from a failed attempt to the next. */
const RETRY = 250
/** Maximum number of records: about twenty megabytes. */
const MOST = 100_000
/** How many are written concurrently once the store has answered. */
const BATCH = 100
/** Milliseconds that the last attempt may take. */
const LAST_TRY = 2500

export interface Outbox {
  /** Whether the record is here: not written yet and not expired. */
  has (key: string): boolean
  /** Keeps the record, writes it, and drops it once it is written. Resolves after the first attempt, whether or not it succeeded. */
  put (key: string, value: string, ttl: number, write?: () => Promise<unknown>): Promise<void>
  /** Tries to write what is kept now; never throws. */
  flush (): Promise<void>
  /** Tries once more, for a limited time; what is left after that is lost. */
  close (): Promise<void>
}

interface Entry { value: string, until: number }

/** `what`: what the records are, for the log. */
export function createOutbox (store: Pick<Store, 'set'>, log: Log, what: string): Outbox {
  // In insertion order; `until` is a performance.now() time.
  const kept = new Map<string, Entry>()
  let flushing: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined
  let failing = false
  let overflowing = false
  let closed = false

  function written (key: string, entry: Entry): void {
    if (kept.get(key) === entry) kept.delete(key)
  }

  const lost = () => log.error({ lost: kept.size }, `fastify-wechat-pay: ${what} could not be written to the shared store before this process closed`)

  function failed (err: unknown): void {
    if (closed) return lost()
    if (!failing) log.error({ err }, `fastify-wechat-pay: ${what} cannot be written to the shared store: this process keeps them, and writes them as soon as it is back`)
    failing = true
    timer ??= setTimeout(() => { timer = undefined; flush() }, RETRY).unref()
  }

  async function writeAll (): Promise<void> {
    // Try one first: while the store is unavailable, each attempt may wait in the client's queue.
    for (let size = 1; kept.size > 0; size = BATCH) {
      await Promise.all(first(size, kept).map(async ([key, entry]) => {
        const left = entry.until - performance.now()
        if (left > 0) await store.set(key, entry.value, left)
        written(key, entry)
      }))
    }
    failing = overflowing = false
    log.info({}, `fastify-wechat-pay: ${what} are written to the shared store again`)
  }

  async function flush (): Promise<void> {
    // A first attempt in progress needs no retry.
    if (failing) await (flushing ??= writeAll().catch(failed).finally(() => { flushing = undefined }))
  }

  function dropOldest (): void {
    for (const [oldest] of first(kept.size - MOST, kept)) {
      kept.delete(oldest)
      if (!overflowing) log.error({ kept: MOST }, `fastify-wechat-pay: too many ${what} to keep: the oldest are dropped`)
      overflowing = true
    }
  }

  return {
    has (key) {
      const entry = kept.get(key)
      return entry !== undefined && entry.until > performance.now()
    },
    async put (key, value, ttl, write = () => store.set(key, value, ttl)) {
      const entry = { value, until: performance.now() + ttl }
      kept.set(key, entry)
      if (kept.size > MOST) dropOldest()
      // The store is known to be unavailable: the next flush writes it; do not wait.
      if (failing && !closed) return
      try {
        await write()
        written(key, entry)
      } catch (error) {
        failed(error)
      }
    },
    flush,
    async close () {
      if (kept.size > 0) {
        // Includes first attempts in progress.
        failing = true
        const ending = new AbortController()
        await Promise.race([flush(), sleep(LAST_TRY, undefined, { signal: ending.signal }).catch(() => {})])
        ending.abort()
      }
      closed = true
      clearTimeout(timer)
      if (kept.size > 0) lost()
    }
  }
}

function first<T> (most: number, among: Iterable<T>): T[] {
  const found: T[] = []
  if (most <= 0) return found
  for (const one of among) if (found.push(one) >= most) break
  return found
}
