/** Work that many deliveries ask for and that must succeed once: one at a time, by whichever process, remembered after. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { WechatError } from './errors.ts'
import type { Store } from './store/store.ts'

export interface OnceOptions {
  /** Milliseconds the work may take, and another delivery waits for its outcome. */
  timeout: number
  /** Milliseconds a success is remembered. */
  remember: number
}

/** Renewed while the work runs; a process that dies holds the others up no longer than this. */
const LEASE = 3000

export type Once = (key: string, work: () => Promise<void>) => Promise<void>

/**
 * The returned function resolves once the work for `key` has succeeded, now or before, here or in another process;
 * work that fails, or whose process dies, is run again by the next who asks.
 * @throws whatever the work threw; WechatError `WECHAT_TIMEOUT` (503) when it did not end in time
 */
export function createOnce (store: Store, { timeout, remember }: OnceOptions): Once {
  return async function once (key, work) {
    const owner = randomUUID()
    const deadline = performance.now() + timeout
    for (;;) {
      const turn = await store.take(key, owner, LEASE)
      if (turn.state === 'done') return
      if (turn.state === 'mine') break
      if (performance.now() > deadline) throw tooLate()
      await sleep(20 + 30 * Math.random())
    }

    const beat = setInterval(() => { store.extend(key, owner, LEASE).catch(() => {}) }, LEASE / 3)
    const running = work().then(
      // Done is done, even if it came too late for this delivery or can no longer be written down.
      async () => { await store.finish(key, owner, '1', remember).catch(() => false) },
      async error => {
        await store.release(key, owner).catch(() => {})
        throw error
      }
    )
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(tooLate()), deadline - performance.now())
    })
    try {
      await Promise.race([running, late])
    } finally {
      clearTimeout(timer)
      // Work that hangs keeps its lease for one more span only: then the next delivery may try.
      clearInterval(beat)
    }
  }
}

const tooLate = () => new WechatError('WECHAT_TIMEOUT', 'the handler did not finish in time', { statusCode: 503, retryable: true })
