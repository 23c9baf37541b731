/** Work that one process does at a time, and records that several change: both by the store's leases. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { WechatError } from '../errors.ts'
import { keepLease } from './lease.ts'
import type { Store } from './store.ts'

/** Renewed while the work runs; a process that dies holds the others up no longer than this. */
const LEASE = 3000
/** Milliseconds that one waits for another. */
const WAIT_TIMEOUT = 10_000
/** No value lives longer: the lease is given although there is one. */
const ANY_TTL = Number.MAX_SAFE_INTEGER

/** @throws WechatError `WECHAT_TIMEOUT` (503) if another holds it for too long; `WECHAT_STORE` (503) while the store is away */
async function take (store: Store, key: string, owner: string): Promise<void> {
  const deadline = performance.now() + WAIT_TIMEOUT
  while ((await store.acquire(key, owner, LEASE, ANY_TTL)).state !== 'acquired') {
    if (performance.now() > deadline) throw new WechatError('WECHAT_TIMEOUT', 'another process is at it, and does not come to an end', { statusCode: 503, retryable: true })
    await sleep(15 + 20 * Math.random())
  }
}

/** Does the work while nobody else does work under this key. @throws what `work` throws, and what `take` does */
export async function locked<T> (store: Store, key: string, work: () => Promise<T>): Promise<T> {
  const owner = randomUUID()
  await take(store, key, owner)
  const stop = keepLease(store, key, owner, LEASE)
  try {
    return await work()
  } finally {
    stop()
    await store.release(key, owner).catch(() => {})
  }
}

/**
 * Changes what lies under the key, and nobody's change is lost: it is written by the holder of the lease only. `change` may
 * be called again.
 */
export async function changeRecord (store: Store, key: string, ttl: number, change: (value: string | undefined) => string): Promise<void> {
  const owner = randomUUID()
  for (;;) {
    await take(store, key, owner)
    const found = await store.read(key)
    // Too slow: another has the lease by now, and what was read is old.
    if (await store.complete(key, owner, change(found?.value), ttl)) return
  }
}
