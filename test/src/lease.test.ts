import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { keepLease } from '../../src/store/lease.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { until } from '../helpers/until.ts'

t.test('a failed renewal is retried, and a lost lease is acquired again', async t => {
  const shared = createMemoryStore()
  let failures = 0
  let taken = 0
  const store: Store = {
    ...shared,
    renew: async (...args) => { if (failures++ < 3) throw new Error('away'); return await shared.renew(...args) },
    acquire: async (...args) => { taken++; return await shared.acquire(...args) }
  }
  await shared.acquire('key', 'me', 100)
  t.teardown(keepLease(store, 'key', 'me', 300))
  await until(() => taken > 0)
  t.equal(taken, 1, 'after three failures')
  await sleep(700)
  t.same(await shared.acquire('key', 'other', 1000), { state: 'locked' }, 'and renewed after that')
})

t.test('after the end the lease is not acquired again, because nothing would release it', async t => {
  const shared = createMemoryStore()
  const renewal = { answer: (_held: boolean) => {} }
  const acquiring = { is: false }
  const watched: Store = {
    ...shared,
    renew: () => {
      acquiring.is = true
      return new Promise(resolve => { renewal.answer = resolve })
    }
  }
  const letGo = keepLease(watched, 'key', 'me', 3000)
  await until(() => acquiring.is)
  letGo()
  renewal.answer(false)
  await sleep(100)
  t.same(await shared.acquire('key', 'other', 1000), { state: 'acquired' })
})
