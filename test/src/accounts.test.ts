/** Accounts looked up in a database at runtime: coalesced lookups, caching, renewal, forget. */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createAccounts } from '../../src/accounts.ts'
import type { AccountsOptions } from '../../src/accounts.ts'
import type { AccountOptions } from '../../src/account.ts'
import { testClock, testLog } from '../helpers/account.ts'

const optionsOf = (id: string): AccountOptions => ({ appId: `wx-${id}`, appSecret: '0123456789abcdef0123456789abcdef' })

function setup (options: Partial<AccountsOptions> = {}) {
  const clock = testClock()
  const { log, lines } = testLog()
  const lookups: string[] = []
  const database = new Map<string, AccountOptions>(['one', 'two', 'three'].map(id => [id, optionsOf(id)]))
  const accounts = createAccounts({
    async find (id) {
      lookups.push(id)
      await sleep(5)
      return database.get(id)
    },
    ...options
  }, { clock, log })
  return { clock, lines, lookups, database, accounts }
}

const settled = () => sleep(20)

t.test('a hundred concurrent requests cause one lookup', async t => {
  const { accounts, lookups } = setup()
  const found = await Promise.all(Array.from({ length: 100 }, () => accounts.get('one')))
  t.equal(new Set(found).size, 1)
  t.equal(found[0]?.appId, 'wx-one')
  t.same(lookups, ['one'])
  await accounts.get('one')
  t.same(lookups, ['one'], 'kept')
})

t.test('an unknown id is a 404 without details, and a flood of requests causes one lookup', async t => {
  const { accounts, lookups, clock } = setup()
  const refusals = await Promise.all(Array.from({ length: 50 }, () => accounts.get('secret-shop').catch((error: unknown) => error as Error & { statusCode: number })))
  t.same(new Set(refusals.map(refusal => 'statusCode' in refusal && refusal.statusCode)), new Set([404]))
  t.notMatch((refusals[0] as Error).message, /secret-shop|one|two/)
  await t.rejects(accounts.get('secret-shop'), { code: 'WECHAT_ACCOUNT' })
  t.equal(lookups.length, 1)
  clock.pass(6000)
  await t.rejects(accounts.get('secret-shop'), { code: 'WECHAT_ACCOUNT' })
  t.equal(lookups.length, 2, 'looked up again after a while')
})

t.test('a flood of invented ids evicts no account', async t => {
  const { accounts, lookups } = setup({ max: 3 })
  for (const id of ['one', 'two', 'three']) await accounts.get(id)
  await Promise.all(Array.from({ length: 500 }, (_, at) => accounts.get(`made-up-${at}`).catch(() => {})))
  lookups.length = 0
  for (const id of ['one', 'two', 'three']) await accounts.get(id)
  t.same(lookups, [])
  t.equal(accounts.status().kept, 3)
})

t.test('invalid ids are not looked up', async t => {
  const { accounts, lookups } = setup()
  for (const id of ['', 'x'.repeat(129), 'a\nb', 7, undefined, null, {}]) await t.rejects(accounts.get(id as string), { code: 'WECHAT_ACCOUNT' })
  t.same(lookups, [])
})

t.test('ids that differ only in case are two accounts', async t => {
  const { accounts, database } = setup()
  database.set('One', { ...optionsOf('x'), appId: 'wx-other' })
  t.equal((await accounts.get('one')).appId, 'wx-one')
  t.equal((await accounts.get('One')).appId, 'wx-other')
})

t.test('a stale account is used while it is looked up again; unchanged options keep it, changed ones replace it', async t => {
  const { accounts, lookups, database, clock } = setup({ maxAge: 60 })
  const first = await accounts.get('one')
  clock.pass(61_000)
  t.equal(await accounts.get('one'), first, 'no waiting')
  await settled()
  t.equal(lookups.length, 2)
  t.equal(await accounts.get('one'), first, 'same options, same account')
  database.set('one', { ...optionsOf('one'), appSecret: 'ffffffffffffffffffffffffffffffff' })
  clock.pass(61_000)
  t.equal(await accounts.get('one'), first)
  await settled()
  const second = await accounts.get('one')
  t.not(second, first)
  database.delete('one')
  clock.pass(61_000)
  t.equal(await accounts.get('one'), second)
  await settled()
  await t.rejects(accounts.get('one'), { code: 'WECHAT_ACCOUNT' }, 'removed')
})

t.test('a long unused account is looked up before use', async t => {
  const { accounts, database, clock } = setup({ maxAge: 60 })
  await accounts.get('one')
  database.delete('one')
  clock.pass(601_000)
  await t.rejects(accounts.get('one'), { code: 'WECHAT_ACCOUNT' })
})

t.test('forget: the next request reads the options again, even during a lookup', async t => {
  const { accounts, lookups, database } = setup()
  const first = await accounts.get('one')
  accounts.forget('one')
  t.not(await accounts.get('one'), first)
  accounts.forget('two')
  const early = accounts.get('two')
  await sleep(1)
  accounts.forget('two')
  database.set('two', { ...optionsOf('two'), appId: 'wx-new' })
  await early
  t.equal((await accounts.get('two')).appId, 'wx-new', 'an earlier lookup\'s result is discarded')
  t.equal(lookups.filter(id => id === 'two').length, 2)
})

t.test('a failing lookup is a 503, is not cached, and does not delay others', async t => {
  let broken = true
  const { accounts, lines } = setup({
    async find (id) {
      if (broken && id === 'one') throw new Error('password of the database: hunter2')
      return optionsOf(id)
    }
  })
  await t.rejects(accounts.get('one'), { statusCode: 503, code: 'WECHAT_ACCOUNT_LOOKUP', message: /^(?!.*hunter2)/ })
  t.equal((await accounts.get('two')).appId, 'wx-two')
  broken = false
  t.equal((await accounts.get('one')).appId, 'wx-one')
  t.match(lines.join(), /could not be looked up/)
})

t.test('a cached account keeps working while the database is unavailable', async t => {
  let broken = false
  const { accounts, clock } = setup({
    maxAge: 60,
    find (id) {
      if (broken) throw new Error('away')
      return optionsOf(id)
    }
  })
  const first = await accounts.get('one')
  broken = true
  clock.pass(61_000)
  t.equal(await accounts.get('one'), first)
  await settled()
  t.equal(await accounts.get('one'), first)
})

t.test('an account with wrong options fails alone, and is named in the log', async t => {
  const { accounts, database, lines, lookups } = setup()
  database.set('one', { appId: '' })
  await t.rejects(accounts.get('one'), { code: 'WECHAT_CONFIG' })
  await t.rejects(accounts.get('one'), { code: 'WECHAT_CONFIG' })
  t.equal(lookups.length, 1)
  t.equal((await accounts.get('two')).appId, 'wx-two')
  t.match(lines.join(), /options of an account are wrong.*"account":"one"/)
})

t.test('the least recently used account is evicted first', async t => {
  const { accounts, lookups } = setup({ max: 2 })
  for (const id of ['one', 'two', 'one', 'three']) await accounts.get(id)
  lookups.length = 0
  await accounts.get('one')
  t.same(lookups, [])
  await accounts.get('two')
  t.same(lookups, ['two'])
})

t.test('invalid options are refused by name', async t => {
  for (const [options, option] of [[{ find: 'x' }, 'accounts.find'], [{ max: 0 }, 'accounts.max'], [{ maxAge: '300' }, 'accounts.maxAge'], [{ maxAge: Infinity }, 'accounts.maxAge']] as const) {
    t.throws(() => setup(options as never), { option } as never)
  }
})
