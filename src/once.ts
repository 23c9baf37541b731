/** Work that many deliveries ask for and that must succeed once: one at a time, by whichever process, remembered after. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { WechatError } from './errors.ts'
import { createMemoryStore } from './store/memory.ts'
import type { Store } from './store/store.ts'

export interface OnceOptions {
  /** Milliseconds the work may take, and another delivery waits for its outcome. */
  timeout: number
  /** Milliseconds a success is remembered. */
  remember: number
  /** While the store is away: `refuse` (default), or `process` with no more memory than this process's own. */
  storeAway?: 'refuse' | 'process' | undefined
}

/** Renewed while the work runs; a process that dies holds the others up no longer than this. */
const LEASE = 3000

export type Once = (key: string, work: () => Promise<void>) => Promise<void>

/**
 * The returned function resolves once the work for `key` has succeeded, now or before, here or in another process;
 * work that fails, or whose process dies, is run again by the next who asks.
 * @throws whatever the work threw; WechatError `WECHAT_TIMEOUT` (503) when it did not end in time; `WECHAT_STORE` (503) while the store is away
 */
export function createOnce (store: Store, { timeout, remember, storeAway = 'refuse' }: OnceOptions): Once {
  // What could not be written down where all look, and what was handled while nobody could look.
  const own = createMemoryStore()

  /** Where the turn was taken: then it is finished there, too. Undefined if the work is done already. */
  async function takeTurn (key: string, owner: string, deadline: number): Promise<Store | undefined> {
    let where = store
    for (;;) {
      if (await own.read(key)) return undefined
      let turn
      try {
        turn = await where.take(key, owner, LEASE)
      } catch (error) {
        if (storeAway !== 'process') throw error
        where = own
        continue
      }
      if (turn.state === 'done') return undefined
      if (turn.state === 'mine') return where
      if (performance.now() > deadline) throw tooLate()
      await sleep(20 + 30 * Math.random())
    }
  }

  return async function once (key, work) {
    const owner = randomUUID()
    const deadline = performance.now() + timeout
    const where = await takeTurn(key, owner, deadline)
    if (!where) return

    const beat = setInterval(() => { where.extend(key, owner, LEASE).catch(() => {}) }, LEASE / 3)
    const running = work().then(
      // Done is done, even if it came too late for this delivery or can no longer be written down.
      async () => {
        await where.finish(key, owner, '1', remember).catch(async () => { await own.note(key, '1', remember) })
      },
      async error => {
        await where.release(key, owner).catch(() => {})
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
