import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createOnce } from '../../src/once.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { patience } from '../helpers/patience.ts'
import { until } from '../helpers/until.ts'

// At the same time: most of them only wait.
t.test('once', { jobs: 20 }, async t => {
  t.test('a hundred concurrent calls: the work runs once, all get the result', async t => {
    const once = createOnce(createMemoryStore(), { timeout: patience(2000), remember: 10_000 })
    let runs = 0
    const work = async () => { await sleep(50); runs++ }
    await Promise.all(Array.from({ length: 100 }, () => once('key', work)))
    await once('key', work)
    t.equal(runs, 1)
  })

  t.test('failed work is run again by the next call', async t => {
    const once = createOnce(createMemoryStore(), { timeout: patience(2000), remember: 10_000 })
    let runs = 0
    const work = async () => { if (++runs < 3) throw new Error('not yet') }
    await t.rejects(once('key', work), { message: 'not yet' })
    await t.rejects(once('key', work), { message: 'not yet' })
    await once('key', work)
    t.equal(runs, 3)
  })

  t.test('N3 work that never ends times out, and may run again after its limit', async t => {
    const store = createMemoryStore()
    const create = () => createOnce(store, { timeout: 50, remember: 10_000, limit: 400 })
    const [here, there] = [create(), create()]
    const timeout = { code: 'WECHAT_TIMEOUT', statusCode: 503 }
    await t.rejects(here('key', () => new Promise(() => {})), timeout)
    for (const once of [here, there]) await t.rejects(once('key', async () => { t.fail('ran concurrently with a run that may still be active') }), timeout)
    const patient = createOnce(store, { timeout: patience(8000), remember: 10_000 })
    let ran = false
    await patient('key', async () => { ran = true })
    t.ok(ran, 'after its lease has expired')
    await here('key', async () => { t.fail('ran after another process had succeeded') })
  })

  t.test('N3 also in the process where it hangs', async t => {
    const once = createOnce(createMemoryStore(), { timeout: patience(4500), remember: 10_000, limit: 100 })
    const hanging = once('key', () => new Promise(() => {}))
    hanging.catch(() => {})
    await sleep(200)
    let ran = false
    await until(() => once('key', async () => { ran = true }).then(() => true, () => false))
    t.ok(ran)
    await t.rejects(hanging, { code: 'WECHAT_TIMEOUT' })
  })

  t.test('N19 slow work with duplicates in two processes: one run, one success', async t => {
    const store = createMemoryStore()
    const processes = [1, 2].map(() => createOnce(store, { timeout: 100, remember: 60_000 }))
    let started = 0
    const load = { over: false }
    const work = async () => { started++; await sleep(7500); load.over = true }
    let refused = 0
    while (!load.over) {
      await Promise.all(processes.map(async once => await once('key', work).catch(error => {
        t.match(error, { code: 'WECHAT_TIMEOUT', statusCode: 503 })
        refused++
      })))
    }
    for (const once of processes) await until(() => once('key', work).then(() => true, () => false))
    t.equal(started, 1)
    t.ok(refused > 10, 'refused while it ran')
  })

  t.test('N19 a success is recorded even if another process holds the lease by then, without releasing that lease', async t => {
    const store = createMemoryStore()
    // A process that cannot renew, like after a network failure.
    const cut = createOnce({ ...store, renew: async () => { throw new Error('cut off') } }, { timeout: 100, remember: 60_000 })
    const other = createOnce(store, { timeout: patience(15_000), remember: 60_000 })
    await t.rejects(cut('key', async () => { await sleep(4500) }), { code: 'WECHAT_TIMEOUT' })
    const holds = { since: 0 }
    const concurrent = other('key', async () => {
      holds.since = performance.now()
      await sleep(2500)
      throw new Error('this one fails')
    })
    await t.rejects(concurrent, { message: 'this one fails' })
    t.ok(holds.since > 0, 'it took over an expired lease')
    t.match(await store.read('key'), { value: '1' })
    await other('key', async () => { t.fail('ran after a success') })
  })

  t.test('a lost lease is acquired again while the work runs', async t => {
    const store = createMemoryStore()
    let owners: string[] = []
    const watched: Store = { ...store, acquire: async (key, owner, ...rest) => { owners.push(owner); return await store.acquire(key, owner, ...rest) } }
    const [one, other] = [createOnce(watched, { timeout: 100, remember: 60_000 }), createOnce(store, { timeout: 100, remember: 60_000 })]
    await t.rejects(one('key', async () => { await sleep(4000) }), { code: 'WECHAT_TIMEOUT' })
    await store.release('key', owners[0]!)
    owners = []
    await until(() => owners.length > 0)
    t.equal(owners.length, 1, 'at the next renewal')
    await sleep(50)
    await t.rejects(other('key', async () => { t.fail('ran concurrently') }), { code: 'WECHAT_TIMEOUT' })
    await until(() => store.read('key'))
    t.match(await store.read('key'), { value: '1' })
  })

  t.test('work that finishes after its timeout is still recorded as done', async t => {
    const once = createOnce(createMemoryStore(), { timeout: 40, remember: 10_000 })
    let runs = 0
    const ended = { is: false }
    const work = async () => { runs++; await sleep(80); ended.is = true }
    await t.rejects(once('key', work), { code: 'WECHAT_TIMEOUT' })
    await until(() => ended.is)
    await once('key', work)
    t.equal(runs, 1)
  })

  t.test('long work keeps its lease; a store failure meanwhile does not undo success', async t => {
    const store = createMemoryStore()
    const broken = async (): Promise<never> => { throw new Error('away') }
    const flaky: Store = { ...store, renew: broken, complete: broken, release: broken }
    const once = createOnce(flaky, { timeout: patience(3000), remember: 10_000 })
    await once('key', async () => { await sleep(1100) })
    await t.rejects(once('other', async () => { throw new Error('the host\'s') }), { message: 'the host\'s' })
  })

  t.test('N5 without the store: once per process, and shared again when it recovers', async t => {
    const shared = createMemoryStore()
    let unavailable = true
    const guarded = <A extends unknown[], R>(call: (...args: A) => Promise<R>) => async (...args: A) => {
      if (unavailable) throw new Error('away')
      return await call(...args)
    }
    const store: Store = { ...shared, acquire: guarded(shared.acquire), complete: guarded(shared.complete), release: guarded(shared.release), renew: guarded(shared.renew), set: guarded(shared.set) }
    const once = createOnce(store, { timeout: patience(2000), remember: 10_000, storeAway: 'process' })
    let runs = 0
    const work = async () => { await sleep(20); runs++ }
    await Promise.all(Array.from({ length: 20 }, () => once('key', work)))
    t.equal(runs, 1)
    let failed = 0
    await t.rejects(once('other', async () => { failed++; throw new Error('not yet') }), { message: 'not yet' })
    await once('other', async () => { failed++ })
    t.equal(failed, 2)
    unavailable = false
    await once('key', work)
    t.equal(runs, 1, 'still remembered in this process')
    await once('later', work)
    t.match(await shared.read('later'), { value: '1' })
    for (const key of ['key', 'other']) t.match(await shared.read(key), { value: '1' }, 'and what was handled meanwhile is shared')
  })

  t.test('N5 work of another process is not started concurrently when the store fails', async t => {
    const shared = createMemoryStore()
    await shared.acquire('key', 'another', 10_000)
    let attempts = 0
    const store: Store = { ...shared, acquire: async (...args) => { if (++attempts > 3) throw new Error('away'); return await shared.acquire(...args) } }
    const once = createOnce(store, { timeout: patience(2000), remember: 10_000, storeAway: 'process' })
    await t.rejects(once('key', async () => { t.fail('the work ran') }), { message: 'away' })
  })

  t.test('N20 success in time counts even if the store does not answer', async t => {
    const shared = createMemoryStore()
    const once = createOnce({ ...shared, complete: () => new Promise(() => {}) }, { timeout: patience(300), remember: 10_000 })
    let runs = 0
    await once('key', async () => { await sleep(50); runs++ })
    await once('key', async () => { runs++ })
    t.equal(runs, 1)
  })

  t.test('invalid numbers are refused by name', t => {
    const right = { timeout: 1000, remember: 60_000 }
    const wrong: unknown[] = ['7d', '60', NaN, 0, -1, Infinity, 1e300, null]
    for (const option of ['timeout', 'remember', 'limit']) {
      for (const value of wrong) t.throws(() => createOnce(createMemoryStore(), { ...right, [option]: value }), { code: 'WECHAT_CONFIG', option })
    }
    t.end()
  })

  t.test('closing waits for running work, with a limit', async t => {
    const store = createMemoryStore()
    const once = createOnce(store, { timeout: 50, remember: 10_000 })
    await t.rejects(once('slow', async () => { await sleep(400) }), { code: 'WECHAT_TIMEOUT' })
    await once.close(5000)
    t.match(await store.read('slow'), { value: '1' })
    await t.rejects(once('hung', () => new Promise(() => {})), { code: 'WECHAT_TIMEOUT' })
    await once.close(50)
    t.pass('it did not wait forever')
  })

  t.test('N5 by default, no work without the store', async t => {
    const once = createOnce({ ...createMemoryStore(), acquire: async () => { throw new Error('away') } }, { timeout: 50, remember: 10_000 })
    await t.rejects(once('key', async () => { t.fail('the work ran') }), { message: 'away' })
  })
})
