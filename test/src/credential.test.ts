/** The lifecycle of a token in one process; for several processes see test/soak/fleet-token.test.ts. */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { WechatApiError, WechatNetworkError } from '../../src/errors.ts'
import { createCredential } from '../../src/official-account/credential.ts'
import type { Issued } from '../../src/official-account/issuer.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { testClock, testLog } from '../helpers/account.ts'

interface Setup { issue?: (count: number, force: boolean, secret: string) => Issued | Promise<Issued>, store?: Store }

function setup ({ issue = count => ({ value: `token-${count}`, expiresIn: 7200 }), store }: Setup = {}) {
  const clock = testClock()
  const { log, lines } = testLog()
  const shared = store ?? createMemoryStore(clock)
  const seen = { issued: 0, forced: 0 }
  const make = (secret = 'secret') => createCredential({
    name: 'access_token',
    key: 'key',
    secret,
    store: shared,
    clock,
    log,
    waitTimeout: 2000,
    issue: async force => {
      seen.issued++
      if (force) seen.forced++
      return await issue(seen.issued, force, secret)
    }
  })
  return { clock, lines, store: shared, seen, make, token: make() }
}

const settled = () => new Promise(resolve => setTimeout(resolve, 5))

t.test('T1 a thousand concurrent cold callers cause one fetch', async t => {
  const { token, seen } = setup()
  const values = await Promise.all(Array.from({ length: 1000 }, () => token.get()))
  t.same(new Set(values), new Set(['token-1']))
  t.equal(seen.issued, 1)
  t.match(token.status(), { expiresIn: 7190, storeReachable: true, failing: undefined })
})

t.test('T2 renewed before expiry, while the old value is returned', async t => {
  const { token, seen, clock, make } = setup()
  const other = make()
  t.equal(await token.get(), 'token-1')
  t.equal(await other.get(), 'token-1')
  clock.pass((7190 - 300) * 1000)
  t.equal(await token.get(), 'token-1')
  t.equal(seen.issued, 1, 'not too early')
  clock.pass(110_000)
  t.equal(await token.get(), 'token-1', 'no waiting')
  await settled()
  t.equal(await token.get(), 'token-2')
  t.equal(await other.get(), 'token-1')
  await settled()
  t.equal(await other.get(), 'token-2', 'the other process gets the new one')
  t.equal(seen.issued, 2)
})

t.test('a failed early renewal changes nothing', async t => {
  const { token, clock, lines } = setup({ issue: count => { if (count > 1) throw new WechatApiError('no', { wechatCode: '45009' }); return { value: 'token-1', expiresIn: 7200 } } })
  await token.get()
  clock.pass(7100_000)
  for (let at = 0; at < 5; at++) {
    t.equal(await token.get(), 'token-1')
    await settled()
  }
  t.equal(lines.length, 1, 'logged once')
  t.equal(token.status().failing, '45009')
  clock.pass(95_000)
  await t.rejects(token.get(), { code: 'WECHAT_API', wechatCode: '45009' }, 'until it expires')
})

t.test('an expired value is never returned', async t => {
  const { token, clock, seen } = setup()
  await token.get()
  clock.pass(7191_000)
  t.equal(token.status().expiresIn, 0)
  t.equal(await token.get(), 'token-2')
  t.equal(seen.issued, 2)
})

t.test('invalidate drops only the value that failed', async t => {
  const { token, make, seen } = setup()
  const other = make()
  await Promise.all([token.get(), other.get()])
  await Promise.all(Array.from({ length: 100 }, () => token.invalidate('token-1')))
  t.equal(await token.get(), 'token-2')
  await other.invalidate('token-1')
  t.equal(await other.get(), 'token-2', 'the other process gets the new one')
  await token.invalidate('token-1')
  await token.invalidate('never seen')
  t.equal(await token.get(), 'token-2')
  t.equal(seen.issued, 2)
})

t.test('an invalidated value is not read back from the store while it is being deleted', async t => {
  const store = createMemoryStore()
  let finishDelete = () => {}
  const deleting = new Promise<void>(resolve => { finishDelete = resolve })
  const { token, seen } = setup({ store: { ...store, delete: async (...args) => { await deleting; return await store.delete(...args) } } })
  const invalidToken = await token.get()
  const invalidated = token.invalidate(invalidToken)
  const meanwhile = token.get()
  await settled()
  finishDelete()
  await invalidated
  t.equal(await token.get(), 'token-2', 'for the caller that saw the failure')
  t.equal(await meanwhile, 'token-2', 'and for calls in between')
  t.equal(seen.issued, 2)
})

t.test('an invalid value that WeChat returns again is replaced with force, within WeChat\'s limits', async t => {
  let value = 'token-1'
  const { token, seen, clock } = setup({ issue: (_count, force) => { if (force) value = `forced-${seen.forced}`; return { value, expiresIn: 7200 } } })
  await token.get()
  await token.invalidate('token-1')
  t.equal(await token.get(), 'forced-1')
  await token.invalidate('forced-1')
  await t.rejects(token.get(), { code: 'WECHAT_TOKEN_CONTESTED', advice: /stable_token/ }, 'not twice within 30 seconds')
  t.equal(seen.forced, 1)
  clock.pass(31_000)
  t.equal(await token.get(), 'forced-2')
})

t.test('T10 force while the store cannot count', async t => {
  const store = { ...createMemoryStore(), increment: async (): Promise<never> => { throw new Error('away') } }
  const { token } = setup({ store, issue: (_count, force) => ({ value: force ? 'forced' : 'stuck', expiresIn: 7200 }) })
  await token.get()
  await token.invalidate('stuck')
  t.equal(await token.get(), 'forced')
})

t.test('a value that is invalid after force is an error', async t => {
  const { token, seen } = setup({ issue: () => ({ value: 'stuck', expiresIn: 7200 }) })
  await token.get()
  await token.invalidate('stuck')
  await t.rejects(token.get(), { code: 'WECHAT_TOKEN_CONTESTED' })
  t.equal(seen.forced, 1)
})

t.test('T7 another system that keeps replacing it causes a bounded number of fetches', async t => {
  const { token, seen, clock } = setup()
  for (let second = 0; second < 60; second += 2) {
    const value = await token.get().catch(() => undefined)
    if (value) await token.invalidate(value)
    clock.pass(2000)
  }
  t.ok(seen.issued <= 10, `${seen.issued} fetches in a minute`)
  clock.pass(20_000)
  t.match(await token.get(), /^token-/, 'and it stops with the other system')
})

t.test('T9 unusable answers are never a token', async t => {
  const bad: Array<[unknown, unknown]> = [
    [undefined, 7200], ['', 7200], ['a b', 7200], ['x'.repeat(513), 7200], [5, 7200], ['中', 7200],
    ['x', undefined], ['x', 0], ['x', -1], ['x', '7200'], ['x', 1e9], ['x', 1.5], ['x', NaN], ['x', null]
  ]
  for (const [value, expiresIn] of bad) {
    const { token, store } = setup({ issue: () => ({ value: value as string, expiresIn }) })
    await t.rejects(token.get(), { code: 'WECHAT_REPLY' }, JSON.stringify([value, expiresIn]))
    t.equal(await store.read('key'), undefined)
  }
})

t.test('T8 a refusal is cached for a while, in all processes', async t => {
  const { token, make, seen, clock } = setup({ issue: count => { if (count === 1) throw new WechatApiError('over', { wechatCode: '45009', wechatMessage: 'over' }); return { value: 'token', expiresIn: 7200 } } })
  const other = make()
  await t.rejects(token.get(), { code: 'WECHAT_API', wechatCode: '45009' })
  for (let at = 0; at < 10; at++) await t.rejects(token.get(), { code: 'WECHAT_API', wechatCode: '45009' })
  for (let at = 0; at < 10; at++) await t.rejects(other.get(), { code: 'WECHAT_API', wechatCode: '45009', advice: /quota/ })
  t.equal(seen.issued, 1)
  clock.pass(60_001)
  t.equal(await other.get(), 'token')
  t.equal(await token.get(), 'token')
})

t.test('a refusal that only concerns this machine, or a fault, is not shared', async t => {
  for (const error of [new WechatApiError('ip', { wechatCode: '40164' }), new WechatNetworkError('x', 'ECONNRESET', 'unknown'), new Error('a bug')]) {
    const { token, make, seen } = setup({ issue: count => { if (count === 1) throw error; return { value: 'token', expiresIn: 7200 } } })
    await t.rejects(token.get(), { message: error.message })
    t.equal(token.status().failing, (error as { wechatCode?: string }).wechatCode ?? (error as { code?: string }).code)
    t.equal(await make().get(), 'token')
    t.equal(seen.issued, 2)
  }
})

t.test('invalid data in the store', async t => {
  const { token, store, seen } = setup()
  await store.set('key', 'not a token, it has blanks', 60_000)
  t.equal(await token.get(), 'token-1')
  t.equal(seen.issued, 1)
  for (const invalid of ['{rubbish', 'null', '5', '[]', '{}', '{"wechatCode":"40164"}', '{"wechatCode":45009}', '{"wechatCode":"45009","wechatMessage":{}}']) {
    const second = setup()
    await second.store.set('key:failure', invalid, 60_000)
    await second.store.set('key:dead', invalid, 60_000)
    for (let at = 1; at < 6; at++) {
      t.equal(await second.token.get(), `token-${at}`, invalid)
      second.clock.pass(7200_000)
      await second.store.set('key:dead', invalid, 60_000)
    }
  }
})

t.test('T15 a cached refusal of a secret applies to that secret, one of the account to all', async t => {
  const refuse = (wechatCode: string) => setup({ issue: (_count, _force, secret) => { if (secret === 'old') throw new WechatApiError('no', { wechatCode, wechatMessage: 'no' }); return { value: 'token', expiresIn: 7200 } } })
  for (const wechatCode of ['40125', '40243']) {
    const { make, seen, store } = refuse(wechatCode)
    await t.rejects(make('old').get(), { code: 'WECHAT_API', wechatCode })
    await t.rejects(make('old').get(), { code: 'WECHAT_API', wechatCode, message: /a moment ago/ }, 'shared with processes that have the same secret')
    t.equal(seen.issued, 1)
    t.equal(await make('right').get(), 'token')
    t.equal(await store.read('key:failure'), undefined)
  }
  const quota = refuse('45009')
  await t.rejects(quota.make('old').get(), { code: 'WECHAT_API', wechatCode: '45009' })
  await t.rejects(quota.make('right').get(), { code: 'WECHAT_API', wechatCode: '45009', message: /a moment ago/ })
  t.equal(quota.seen.issued, 1)
})

t.test('T3 a crashed lease holder is replaced; a live one is waited for, with a limit', async t => {
  const { token, store, clock } = setup()
  await store.acquire('key', 'dead process', 500)
  t.equal(await token.get(), 'token-1')
  t.ok(clock.now() > 1_000_500)
  const second = setup()
  await second.store.acquire('key', 'slow process', 60_000)
  await t.rejects(second.token.get(), { code: 'WECHAT_TOKEN_TIMEOUT', statusCode: 503 })
})

t.test('T4 a late result does not replace a newer one', async t => {
  const made = setup({
    issue: async () => {
      await made.store.release('key', 'nobody')
      made.clock.pass(3001)
      await made.store.acquire('key', 'another', 3000)
      await made.store.complete('key', 'another', 'newer', 7200_000)
      return { value: 'late', expiresIn: 7200 }
    }
  })
  t.equal(await made.token.get(), 'newer')
  t.match(await made.store.read('key'), { value: 'newer' })
  const alone = setup({ issue: async () => { alone.clock.pass(3001); return { value: 'late', expiresIn: 7200 } } })
  t.equal(await alone.token.get(), 'late', 'without a newer value, this process uses it')
  t.equal(await alone.token.get(), 'late')
  await settled()
  t.match(await alone.store.read('key'), { value: 'late' }, 'and it becomes the shared value')
})

t.test('T5 a fetch that takes longer than the lease renews it', async t => {
  const store = createMemoryStore()
  const { token } = setup({ store, issue: async () => { await sleep(3500); return { value: 'slow', expiresIn: 7200 } } })
  const waiting = token.get()
  await sleep(3200)
  t.same(await store.acquire('key', 'impatient', 1000), { state: 'locked' })
  t.equal(await waiting, 'slow')
})

t.test('T10 the store becomes unavailable and recovers', async t => {
  const clock = testClock()
  const memory = createMemoryStore(clock)
  let unavailable = true
  const store = Object.fromEntries(Object.entries(memory).map(([name, method]) => [name, async (...args: unknown[]) => {
    if (unavailable) throw new Error('away')
    return await (method as (...args: unknown[]) => unknown)(...args)
  }])) as unknown as Store
  const made = setup({ store })
  t.equal(await made.token.get(), 'token-1', 'store unavailable at startup: one fetch')
  t.same(made.lines.filter(line => line.startsWith('error')).length, 1, 'logged once as an error')
  t.equal(made.token.status().storeReachable, false)
  for (let at = 0; at < 100; at++) t.equal(await made.token.get(), 'token-1')
  made.clock.pass(2000)
  t.equal(await made.token.get(), 'token-1')
  await settled()
  await made.token.invalidate('token-1')
  await t.rejects(made.token.get(), { code: 'WECHAT_STORE' }, 'no second one within a minute')
  made.clock.pass(60_001)
  t.equal(await made.token.get(), 'token-2')
  t.equal(made.lines.filter(line => line.startsWith('error')).length, 1)

  unavailable = false
  made.clock.pass(1001)
  t.equal(await made.token.get(), 'token-2')
  await settled()
  t.match(await memory.read('key'), { value: 'token-2' }, 'shared when the store recovers')
  t.equal(made.token.status().storeReachable, true)
  t.match(made.lines.at(-1), /is back/)
  t.equal(made.seen.issued, 2)
})

t.test('T10 after an outage, our value does not replace the shared one', async t => {
  const memory = createMemoryStore(testClock())
  let unavailable = true
  const store: Store = { ...memory, acquire: async (...args) => { if (unavailable) throw new Error('away'); return await memory.acquire(...args) } }
  const made = setup({ store })
  await made.token.get()
  await memory.set('key', 'theirs', 7000_000)
  unavailable = false
  made.clock.pass(1001)
  await made.token.get()
  await settled()
  t.equal(await made.token.get(), 'theirs')
})

t.test('T16 after an outage, the shared value replaces our own', async t => {
  const memory = createMemoryStore(testClock())
  let unavailable = true
  let calls = 0
  const store: Store = { ...memory, acquire: async (...args) => { calls++; if (unavailable) throw new Error('away'); return await memory.acquire(...args) } }
  const made = setup({ store })
  await made.token.get()
  await memory.set('key', 'not a token', 7000_000)
  unavailable = false
  made.clock.pass(1001)
  for (let at = 0; at < 5; at++) {
    t.equal(await made.token.get(), 'token-1')
    await settled()
  }
  t.match(await memory.read('key'), { value: 'token-1' })
  t.ok(calls <= 3, 'and it is not contacted for each call')
})

t.test('T10 without the store, an early renewal keeps the old value, and a lost answer counts as a fetch', async t => {
  const failing = { ...createMemoryStore(), acquire: async () => { throw new Error('away') } }
  const made = setup({ store: failing })
  await made.token.get()
  made.clock.pass(7100_000)
  t.equal(await made.token.get(), 'token-1')
  await settled()
  t.equal(await made.token.get(), 'token-1')

  const lost = setup({ store: failing, issue: () => { throw new WechatNetworkError('x', 'TIMEOUT', 'unknown') } })
  await t.rejects(lost.token.get(), { code: 'WECHAT_NETWORK' })
  lost.clock.pass(1001)
  await t.rejects(lost.token.get(), { code: 'WECHAT_STORE' })
  t.equal(lost.seen.issued, 1)
  const refused = setup({ store: failing, issue: () => { throw new WechatApiError('x', { wechatCode: '40125' }) } })
  await t.rejects(refused.token.get(), { code: 'WECHAT_API', wechatCode: '40125' })
  refused.clock.pass(10_001)
  await t.rejects(refused.token.get(), { code: 'WECHAT_API', wechatCode: '40125' })
})

t.test('T10 the store fails during a fetch', async t => {
  const memory = createMemoryStore()
  const unavailable = async (): Promise<never> => { throw new Error('away') }
  const made = setup({ store: { ...memory, complete: unavailable, renew: unavailable } })
  t.equal(await made.token.get(), 'token-1')
  await made.token.get()
  await settled()
  t.equal(await made.token.get(), 'token-1')
})
