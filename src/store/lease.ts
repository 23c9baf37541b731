/** Keeps a lease while work runs, even if the store fails now and then. */
import type { Store } from './store.ts'

/** Milliseconds after a failed renewal until the next try. */
const RETRY = 250

/**
 * Renews the owner's lease three times within its duration. A lost lease (the store restarted empty, or froze for
 * longer than the lease) is acquired again if nobody else holds it. The returned function stops this; the timer does not keep the process alive.
 */
export function keepLease (store: Pick<Store, 'renew' | 'acquire'>, key: string, owner: string, lease: number): () => void {
  let ended = false
  let timer: NodeJS.Timeout

  async function renew (): Promise<void> {
    const renewed = await store.renew(key, owner, lease)
    // Do not acquire it after the end: nobody would release it.
    if (!renewed && !ended) await store.acquire(key, owner, lease)
  }
  function beat (pause: number): void {
    if (ended) return
    timer = setTimeout(() => { renew().then(() => beat(lease / 3), () => beat(RETRY)) }, pause).unref()
  }

  beat(lease / 3)
  return () => {
    ended = true
    clearTimeout(timer)
  }
}
