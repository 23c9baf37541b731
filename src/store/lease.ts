/** A lease that is kept while work goes on, through a store that fails now and then. */
import type { Store } from './store.ts'

/** Milliseconds after a failed renewal until the next try. */
const RETRY = 250

/**
 * Renews the owner's lease three times in its span. One that was lost (the store restarted empty, or stood still for
 * longer than the lease) is taken again if nobody else holds it. The returned function ends that; nothing waits for its timer.
 */
export function keepLease (store: Pick<Store, 'renew' | 'acquire'>, key: string, owner: string, lease: number): () => void {
  let ended = false
  let timer: NodeJS.Timeout

  async function renew (): Promise<void> {
    const held = await store.renew(key, owner, lease)
    // Not after the end: nobody would free it.
    if (!held && !ended) await store.acquire(key, owner, lease)
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
