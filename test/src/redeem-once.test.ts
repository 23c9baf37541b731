import t from 'tap'
import { createRedeemOnce } from '../../src/redeem-once.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/store.ts'

t.test('an outage of the store is logged when it begins and when it is over; codes are still redeemed once', async t => {
  const shared = createMemoryStore()
  let isAway = true
  const store: Store = { ...shared, acquire: async (...args) => { if (isAway) throw new Error('away'); return await shared.acquire(...args) } }
  const lines: string[] = []
  const log = { error: (_details: object, line: string) => { lines.push(line) }, info: (_details: object, line: string) => { lines.push(line) } }
  const redeemOnce = createRedeemOnce(store, 60_000)
  const redeem = (key: string) => redeemOnce(key, async () => `of ${key}`, log)
  for (const key of ['a', 'b', 'c']) t.equal(await redeem(key), `of ${key}`)
  t.equal(await redeem('a'), undefined, 'a replay')
  isAway = false
  for (const key of ['d', 'e']) t.equal(await redeem(key), `of ${key}`)
  t.match(lines, [/unreachable/, /is back/])
  t.equal(lines.length, 2)
})
