/** T10: a real Redis in every kind of failure. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import t from 'tap'
import { createAccessToken } from '../../src/official-account/access-token.ts'
import { createRedisStore } from '../../src/store/redis.ts'
import { testEmulator, testLog } from '../helpers/account.ts'
import { skip, startRedis } from '../helpers/redis.ts'
import { until } from '../helpers/until.ts'

type Server = Awaited<ReturnType<typeof startRedis>>

interface State {
  name: string
  begin (server: Server, admin: Redis): Promise<unknown>
  end (server: Server, admin: Redis): Promise<unknown>
  /** How many tokens a process that starts in this state fetches. Default 1, because it cannot read the shared one. */
  fetches?: number
}

const STATES: State[] = [
  { name: 'killed', begin: server => server.kill(), end: server => server.start() },
  { name: 'stopped (SIGSTOP)', begin: async server => server.signal('SIGSTOP'), end: async server => server.signal('SIGCONT') },
  { name: 'slow by 3 s', begin: (_server, admin) => admin.call('CLIENT', 'PAUSE', '3000', 'ALL'), end: async () => await sleep(500) },
  {
    name: 'NOAUTH',
    begin: async (_server, admin) => {
      await admin.config('SET', 'requirepass', 'another')
      await admin.call('CLIENT', 'KILL', 'SKIPME', 'yes')
    },
    end: (_server, admin) => admin.config('SET', 'requirepass', '')
  },
  { name: 'READONLY after a fail-over', begin: (_server, admin) => admin.replicaof('127.0.0.1', 1), end: (_server, admin) => admin.replicaof('NO', 'ONE'), fetches: 0 },
  { name: 'out of memory', begin: (_server, admin) => admin.config('SET', 'maxmemory', '1'), end: (_server, admin) => admin.config('SET', 'maxmemory', '0'), fetches: 0 },
  { name: 'flushed', begin: (_server, admin) => admin.flushall(), end: async () => {} }
]

t.test('T10 Redis', { skip }, async t => {
  t.jobs = 4
  for (const { name, begin, end, fetches = 1 } of STATES) {
    t.test(`${name}: valid tokens are served, a new process fetches at most one, and afterwards all is shared again`, { buffered: true }, async t => {
      const emulator = await testEmulator(t)
      const server = await startRedis()
      t.teardown(server.stop)
      const admin = server.client()
      const { log, lines } = testLog()
      const make = () => createAccessToken({ ...emulator.config, log, store: createRedisStore(server.client()) })
      const old = make()
      const first = await old.get()

      await begin(server, admin)
      t.equal(await old.get(), first)
      const newProcess = make()
      const values = new Set(await Promise.all(Array.from({ length: 200 }, () => newProcess.get())))
      await sleep(1100)
      for (let at = 0; at < 20; at++) values.add(await newProcess.get())
      t.same(values, new Set([first]), 'a valid token')
      t.equal(await old.get(), first)
      t.equal((await emulator.issued()).calls.stable_token, 1 + fetches, 'one call by the new process, or none if it can still read')

      await end(server, admin)
      await t.resolves(until(async () => {
        t.equal(await newProcess.get(), first)
        return (await server.client().exists(`wechat:{${emulator.config.appId}}:access_token`)) === 1
      }), 'shared again')
      const calls = (await emulator.issued()).calls.stable_token
      t.equal(await make().get(), first)
      t.equal((await emulator.issued()).calls.stable_token, calls, 'the next process reads it from Redis')
      t.equal(await old.get(), first)
      await old.invalidate(first)
      t.match(await old.get(), /^98_/, 'and everything works')
      t.ok(lines.filter(line => line.startsWith('error')).length <= 2, 'each process logs it once')
    })
  }

  for (const { name, begin, end } of STATES.slice(0, 3)) {
    t.test(`${name}, with node-redis`, { buffered: true }, async t => {
      const emulator = await testEmulator(t)
      const server = await startRedis()
      t.teardown(server.stop)
      const admin = server.client()
      const client = await server.nodeClient()
      const make = () => createAccessToken({ ...emulator.config, store: createRedisStore(client) })
      const old = make()
      const first = await old.get()
      await begin(server, admin)
      t.equal(await old.get(), first)
      const newProcess = make()
      t.same(new Set(await Promise.all(Array.from({ length: 200 }, () => newProcess.get()))), new Set([first]))
      t.ok((await emulator.issued()).calls.stable_token! <= 2)
      await end(server, admin)
      await t.resolves(until(async () => {
        t.equal(await newProcess.get(), first)
        return newProcess.status().storeReachable && (await server.client().exists(`wechat:{${emulator.config.appId}}:access_token`)) === 1
      }), 'shared again')
    })
  }

  t.test('an unconnected node-redis client counts as an unavailable store', { buffered: true }, async t => {
    const { createClient } = await import('redis')
    const emulator = await testEmulator(t)
    const { log, lines } = testLog()
    const token = createAccessToken({ ...emulator.config, log, store: createRedisStore(createClient()) })
    t.match(await token.get(), /^98_/)
    t.match(lines, [/unreachable.*ClientClosedError/])
  })

  for (const enableReadyCheck of [true, false]) {
    t.test(`LOADING, with ioredis ${enableReadyCheck ? 'waiting' : 'not waiting'} for it`, { buffered: true }, async t => {
      const emulator = await testEmulator(t)
      const server = await startRedis(['--dir', mkdtempSync(join(tmpdir(), 'redis-'))])
      t.teardown(server.stop)
      const admin = server.client()
      const make = () => createAccessToken({ ...emulator.config, store: createRedisStore(server.client({ enableReadyCheck })) })
      const first = await make().get()
      // One second per key; clients are handled in between.
      for (const key of ['a', 'b', 'c']) await admin.set(key, randomBytes(2048))
      await admin.save()
      await server.kill()
      await server.start(['--key-load-delay', '1000000', '--loading-process-events-interval-bytes', '1024'], true)
      const newProcess = make()
      t.equal(await newProcess.get(), first)
      // A waiting client may get its answer just in time.
      t.ok((await emulator.issued()).calls.stable_token! <= 2)
      await t.resolves(until(async () => {
        await newProcess.get()
        return newProcess.status().storeReachable
      }))
      t.equal(await newProcess.get(), first)
    })
  }

  t.test('unavailable at start, or a wrong password: each process fetches one, and keeps trying', { buffered: true }, async t => {
    const emulator = await testEmulator(t)
    const server = await startRedis()
    t.teardown(server.stop)
    await server.client().config('SET', 'requirepass', 'right')
    for (const options of [{ port: 1 }, { password: 'wrong' }]) {
      const token = createAccessToken({ ...emulator.config, store: createRedisStore(server.client(options)) })
      for (let at = 0; at < 50; at++) t.match(await token.get(), /^98_/)
      t.equal(token.status().storeReachable, false)
    }
    t.match(await emulator.issued(), { tokens: 1, calls: { stable_token: 2 } })
  })
})
