/** Remembers which amounts were refunded under which number, so that a number is not used for two refunds by mistake. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { WechatInputError } from '../errors.ts'
import { accountKey } from '../store/key.ts'
import type { Store } from '../store/store.ts'
import type { MerchantIds } from './merchant.ts'
import type { RefundRequest } from './refund.ts'

/** A week. WeChat itself remembers permanently, and refuses with its own error. */
const TTL = 7 * 86_400_000
/** How often to retry while another process is writing; each write takes milliseconds. */
const ATTEMPTS = 20
/** The kind of order number (t: WeChat's, o: ours), the number, amount and total. */
const ENTRY = /^[to]:[^:]+:\d+:\d+$/

/** The message must not suggest a new number while the first refund may have happened: that would refund twice. */
const IN_USE = 'was used for another refund (order, amount or total differ): repeat that one unchanged, or query it; until its outcome is known, a new number may refund the money twice'

export function createRefundIdempotency (store: Store, { mchId, subMchId }: MerchantIds) {
  /** What is now stored under the key, and whether it is new. */
  async function remember (key: string, entry: string): Promise<{ value: string, isNew: boolean }> {
    const owner = randomUUID()
    try {
      for (let attempts = 0; attempts < ATTEMPTS; attempts++) {
        const turn = await store.acquire(key, owner, 1000)
        if (turn.state === 'done' && ENTRY.test(turn.value)) return { value: turn.value, isNew: false }
        if (turn.state === 'done') await store.delete(key, turn.value)
        else if (turn.state === 'acquired') return { value: entry, isNew: await store.complete(key, owner, entry, TTL) }
        else await sleep(10 + 20 * Math.random())
      }
    } catch { /* An unavailable store must not block a refund: WeChat compares the amounts, too. */ }
    return { value: entry, isNew: false }
  }

  return {
    /** Returns a function that deletes the record again. @throws WechatInputError (409) if this number belongs to another refund */
    async same (refund: RefundRequest): Promise<() => Promise<void>> {
      const order = 'transactionId' in refund ? `t:${refund.transactionId}` : `o:${refund.outTradeNo}`
      const entry = `${order}:${refund.amount}:${refund.total}`
      const key = accountKey(mchId, `refund:${subMchId ?? ''}:${refund.outRefundNo}`)
      const { value, isNew } = await remember(key, entry)
      // One refund names the order by our number, the other by WeChat's: only the amounts can be compared.
      const [kind, , ...amounts] = value.split(':')
      const fits = value === entry || (kind !== entry[0] && amounts.join(':') === `${refund.amount}:${refund.total}`)
      if (!fits) throw new WechatInputError('outRefundNo', IN_USE, 409)
      return async () => { if (isNew) await store.delete(key, entry).catch(() => false) }
    }
  }
}
