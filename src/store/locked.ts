/** Mutual exclusion between processes with the store's leases: `locked` work, and atomic updates of a record. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { WechatError } from '../errors.ts'
import { keepLease } from './lease.ts'
import type { Store } from './store.ts'

/** Milliseconds. Renewed while the work runs; after a crash, others wait no longer than this. */
const LEASE = 3000
/** How long to wait for another holder, in milliseconds. */
const WAIT_TIMEOUT = 10_000
/** As minTtl: longer than any value's ttl, so the lease is acquired even if a value exists. */
const ANY_TTL = Number.MAX_SAFE_INTEGER

/** @throws WechatError `WECHAT_TIMEOUT` (503) if another process holds it for too long; `WECHAT_STORE` (503) if the store is unavailable */
async function take (store: Store, key: string, owner: string): Promise<void> {
  const deadline = performance.now() + WAIT_TIMEOUT
  while ((await store.acquire(key, owner, LEASE, ANY_TTL)).state !== 'acquired') {
    if (performance.now() > deadline) throw new WechatError('WECHAT_TIMEOUT', 'timed out waiting for another process', { statusCode: 503, retryable: true })
    await sleep(15 + 20 * Math.random())
  }
}

/** Runs `work` while no other process runs work for this key. @throws errors of `work` and of `take` */
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
 * Updates the value of a key without losing concurrent updates: only the lease holder writes. `change` may be called
 * again.
 */
export async function changeRecord (store: Store, key: string, ttl: number, change: (value: string | undefined) => string): Promise<void> {
  const owner = randomUUID()
  for (;;) {
    await take(store, key, owner)
    const found = await store.read(key)
    // Otherwise the lease was lost, and the value may be outdated: start again.
    if (await store.complete(key, owner, change(found?.value), ttl)) return
  }
}
