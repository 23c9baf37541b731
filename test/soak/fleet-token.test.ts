/** Tokens shared by several processes with one Redis. */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createAccessToken } from '../../src/official-account/access-token.ts'
import { createRedisStore } from '../../src/store/redis.ts'
import { ACCOUNT, testEmulator } from '../helpers/account.ts'
import { fakeServer } from '../helpers/fake-server.ts'
import { startWorkers } from '../helpers/fleet.ts'
import type { Worker } from '../helpers/fleet.ts'
import { skip, startRedis } from '../helpers/redis.ts'

const { appSecret } = ACCOUNT

t.test('several processes', { skip }, async t => {
  const redis = await startRedis()
  t.teardown(redis.stop)

  const everybody = async (workers: Worker[], kind: 'get' | 'request') =>
    new Set((await Promise.all(workers.map(worker => worker.ask({ callers: 1000, kind })))).flat())

  t.test('T1 four processes, a thousand cold callers each: one token, one ticket; T6 the same after a 40001 storm', async t => {
    const emulator = await testEmulator(t)
    const workers = await startWorkers(t, 4, emulator.config, redis.port)
    t.equal((await everybody(workers, 'get')).size, 1)
    t.match(await emulator.issued(), { tokens: 1, tickets: 1 })
    await emulator.expireTokens()
    t.same(await everybody(workers, 'request'), new Set(['ok']))
    t.match(await emulator.issued(), { tokens: 2, tickets: 1 })
  })

  t.test('T15 a process with an old AppSecret does not block the others', async t => {
    const emulator = await testEmulator(t)
    const [old] = await startWorkers(t, 1, { ...emulator.config, appSecret: 'c0ffee00c0ffee00c0ffee00c0ffee43' }, redis.port)
    const failed = await old!.ask({ callers: 100, kind: 'get' })
    t.match(failed, [/40125/])
    const fleet = Array.from({ length: 9 }, () => createAccessToken({ ...emulator.config, store: createRedisStore(redis.client()) }))
    old!.begin({ callers: 100, kind: 'get' })
    const tokens = await Promise.all(fleet.map(async token => [await token.ticket(), await token.get()].join()))
    t.equal(new Set(tokens).size, 1)
    t.match(await emulator.issued(), { tokens: 1, tickets: 1, calls: { stable_token: 2 } }, 'one refusal, one token')
    t.match(await old!.ask({ callers: 1, kind: 'get' }), [/^[\w-]+$|40125/], 'and the other process reads it from the store')
  })

  t.test('T16 foreign locks and values at our keys', async t => {
    const emulator = await testEmulator(t)
    const admin = redis.client()
    const make = () => createAccessToken({ ...emulator.config, store: createRedisStore(redis.client()) })
    const at = (name: string) => `wechat:{${emulator.config.appId}}:access_token${name}`
    const states: Record<string, () => Promise<unknown>> = {
      'a lock without TTL': () => admin.set(at(':lock'), 'x'),
      'a lock of another type': () => admin.lpush(at(':lock'), 'x'),
      'a lock of another type that ends': async () => { await admin.lpush(at(':lock'), 'x'); await admin.pexpire(at(':lock'), 3600_000) },
      'a lock that ends in an hour': () => admin.set(at(':lock'), 'x', 'PX', 3600_000),
      'a token without TTL': () => admin.set(at(''), '98_x'),
      'a sealed token': () => admin.set(at(''), `v1.${'A'.repeat(80)}`, 'PX', 3600_000),
      'a token with blanks': () => admin.set(at(''), 'not a token', 'PX', 3600_000),
      'rubbish at the failure key': () => admin.set(at(':failure'), '{', 'PX', 3600_000),
      'a list at the failure key': () => admin.lpush(at(':failure'), 'x'),
      'a list at the dead token\'s': () => admin.lpush(at(':dead'), 'x'),
      'rubbish at all counters': async () => {
        await admin.set(at(':dead'), 'x'.repeat(43), 'PX', 3600_000)
        for (const name of [':contest', ':forced', ':forced-today']) await admin.set(at(name), '500')
      }
    }
    for (const [what, begin] of Object.entries(states)) {
      await admin.flushall()
      await begin()
      const before = (await emulator.issued()).calls.stable_token ?? 0
      t.match(await make().get(), /^98_/, what)
      t.match(await make().get(), /^98_/)
      t.equal((await emulator.issued()).calls.stable_token, before + 1, 'and shared')
    }
  })

  t.test('T11 lock and write lost during a fetch: at most two tokens are issued, then all processes use the same', async t => {
    let requests = 0
    const wechat = await fakeServer((_seen, reply) => {
      const value = `token-${++requests}`
      setTimeout(() => reply.end(JSON.stringify({ access_token: value, expires_in: 7200 })), 1000)
    })
    t.teardown(wechat.close)
    const account = { appId: 'wx-lost', appSecret, endpoints: wechat.endpoints }
    const tokens = [1, 2, 3].map(() => createAccessToken({ ...account, store: createRedisStore(redis.client()) }))
    const first = tokens[0]!.get()
    await sleep(300)
    await redis.client().flushall()
    await Promise.all([first, ...tokens.map(token => token.get())])
    for (let looks = 0; looks < 5; looks++) {
      await Promise.all(tokens.map(token => token.get()))
      await sleep(50)
    }
    t.equal(new Set(await Promise.all(tokens.map(token => token.get()))).size, 1)
    t.equal(requests, 2)
  })

  t.test('T4 a process that was paused beyond its lease overwrites nothing when it resumes', async t => {
    let requests = 0
    let onRequest: (() => void) | undefined
    const holding = new Promise<void>(resolve => { onRequest = resolve })
    const wechat = await fakeServer((_seen, reply) => {
      const value = `token-${++requests}`
      onRequest?.()
      setTimeout(() => reply.end(JSON.stringify({ access_token: value, expires_in: 7200, ticket: value, errcode: 0 })), 200)
    })
    t.teardown(wechat.close)
    const [stopped, other] = await startWorkers(t, 2, { appId: 'wx-stopped', appSecret, endpoints: wechat.endpoints }, redis.port) as [Worker, Worker]
    const late = stopped.ask({ callers: 1, kind: 'get' })
    await holding
    stopped.kill('SIGSTOP')
    const values = await other.ask({ callers: 10, kind: 'get' })
    stopped.kill('SIGCONT')
    t.same(await late, values, 'the late process uses the other\'s value')
    t.same(await other.ask({ callers: 10, kind: 'get' }), values)
  })

  t.test('T13 two accounts on one Redis never mix, whatever their ids contain', async t => {
    const ids = ['wx1', 'wx1}', '{wx1}', 'wx1:access_token', 'wx%31']
    const wechat = await fakeServer((seen, reply) => { reply.end(JSON.stringify({ access_token: `of-${JSON.parse(seen.body).appid.length}-${wechat.seen.length}`, expires_in: 7200 })) })
    t.teardown(wechat.close)
    const values = []
    for (const appId of ids) values.push(await createAccessToken({ appId, appSecret, endpoints: wechat.endpoints, store: createRedisStore(redis.client()) }).get())
    t.equal(new Set(values).size, ids.length)
  })
})
