import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createOnce } from '../../src/once.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/store.ts'

t.test('a hundred ask at once: the work runs once, all hear of its success', async t => {
  const once = createOnce(createMemoryStore(), { timeout: 2000, remember: 10_000 })
  let runs = 0
  const work = async () => { await sleep(50); runs++ }
  await Promise.all(Array.from({ length: 100 }, () => once('key', work)))
  await once('key', work)
  t.equal(runs, 1)
})

t.test('work that fails is run again by the next', async t => {
  const once = createOnce(createMemoryStore(), { timeout: 2000, remember: 10_000 })
  let runs = 0
  const work = async () => { if (++runs < 3) throw new Error('not yet') }
  await t.rejects(once('key', work), { message: 'not yet' })
  await t.rejects(once('key', work), { message: 'not yet' })
  await once('key', work)
  t.equal(runs, 3)
})

t.test('N3 work that never ends is given up in time, and tried again later', async t => {
  const store = createMemoryStore()
  const once = createOnce(store, { timeout: 50, remember: 10_000 })
  const timeout = { code: 'WECHAT_TIMEOUT', statusCode: 503 }
  await t.rejects(once('key', () => new Promise(() => {})), timeout)
  await t.rejects(once('key', async () => {}), timeout, 'not beside the one that may still run')
  const patient = createOnce(store, { timeout: 5000, remember: 10_000 })
  let ran = false
  await patient('key', async () => { ran = true })
  t.ok(ran, 'once its lease is over')
})

t.test('work that ends after its time is still remembered as done', async t => {
  const once = createOnce(createMemoryStore(), { timeout: 40, remember: 10_000 })
  let runs = 0
  const work = async () => { runs++; await sleep(80) }
  await t.rejects(once('key', work), { code: 'WECHAT_TIMEOUT' })
  await sleep(100)
  await once('key', work)
  t.equal(runs, 1)
})

t.test('long work keeps its lease; a store that fails meanwhile does not undo success', async t => {
  const store = createMemoryStore()
  const broken = async (): Promise<never> => { throw new Error('away') }
  const flaky: Store = { ...store, extend: broken, finish: broken, release: broken }
  const once = createOnce(flaky, { timeout: 3000, remember: 10_000 })
  await once('key', async () => { await sleep(1100) })
  await t.rejects(once('other', async () => { throw new Error('the host\'s') }), { message: 'the host\'s' })
})

t.test('N5 processing without the store: once in this process, and shared again when it is back', async t => {
  const shared = createMemoryStore()
  let away = true
  const guarded = <A extends unknown[], R>(call: (...args: A) => Promise<R>) => async (...args: A) => {
    if (away) throw new Error('away')
    return await call(...args)
  }
  const store: Store = { ...shared, take: guarded(shared.take), finish: guarded(shared.finish), release: guarded(shared.release), extend: guarded(shared.extend) }
  const once = createOnce(store, { timeout: 2000, remember: 10_000, storeAway: 'process' })
  let runs = 0
  const work = async () => { await sleep(20); runs++ }
  await Promise.all(Array.from({ length: 20 }, () => once('key', work)))
  t.equal(runs, 1)
  let failed = 0
  await t.rejects(once('other', async () => { failed++; throw new Error('not yet') }), { message: 'not yet' })
  await once('other', async () => { failed++ })
  t.equal(failed, 2)
  away = false
  await once('key', work)
  t.equal(runs, 1, 'still remembered here')
  await once('later', work)
  t.match(await shared.read('later'), { value: '1' })
})

t.test('N5 no store, no work', async t => {
  const once = createOnce({ ...createMemoryStore(), take: async () => { throw new Error('away') } }, { timeout: 50, remember: 10_000 })
  await t.rejects(once('key', async () => { t.fail('the work ran') }), { message: 'away' })
})
