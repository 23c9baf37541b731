/** N19 N20: slow handlers while a real Redis fails: one success, known to all processes. */
import { setTimeout as sleep } from 'node:timers/promises'
import redisPlugin from '@fastify/redis'
import Fastify from 'fastify'
import type { Redis } from 'ioredis'
import t from 'tap'
import { notify } from '../../plugins/notify.ts'
import { createOnce } from '../../src/once.ts'
import { createRedisStore } from '../../src/store/redis.ts'
import { appId, merchant, payment, signed } from '../helpers/notification.ts'
import { skip, startRedis } from '../helpers/redis.ts'
import { until } from '../helpers/until.ts'

type Server = Awaited<ReturnType<typeof startRedis>>

interface Trouble {
  name: string
  begin (server: Server, admin: Redis): Promise<unknown>
  end (server: Server, admin: Redis): Promise<unknown>
}

const TROUBLES: Trouble[] = [
  { name: 'killed', begin: server => server.kill(), end: server => server.start() },
  { name: 'paused', begin: async server => server.signal('SIGSTOP'), end: async server => server.signal('SIGCONT') },
  { name: 'out of memory', begin: (_server, admin) => admin.config('SET', 'maxmemory', '1'), end: (_server, admin) => admin.config('SET', 'maxmemory', '0') },
  { name: 'read-only', begin: (_server, admin) => admin.replicaof('127.0.0.1', 1), end: (_server, admin) => admin.replicaof('NO', 'ONE') }
]

const never = (why: string) => async () => { throw new Error(`ran ${why}`) }

t.test('Redis fails while a handler runs', { skip }, async t => {
  t.jobs = 4
  for (const { name, begin, end } of TROUBLES) {
    t.test(`N20 ${name} from during a handler until after it`, { buffered: true }, async t => {
      const server = await startRedis()
      t.teardown(server.stop)
      const admin = server.client()
      const create = () => createOnce(createRedisStore(server.client()), { timeout: 4500, remember: 600_000 })
      const [one, other] = [create(), create()]
      let runs = 0

      const handled = one('key', async () => {
        await begin(server, admin)
        await sleep(500)
        runs++
      })
      await handled
      t.equal(runs, 1, 'handled and acknowledged')
      await one('key', never('in the process that handled it'))
      await t.rejects(other('key', never('while the store is away')), { code: 'WECHAT_STORE' })
      await sleep(2000)
      await end(server, admin)
      await until(async () => await admin.get('key') === '1')
      await other('key', never('in another process'))
      t.equal(runs, 1)
      t.ok(await admin.pttl('key') > 500_000, 'remembered for the configured time')
    })
  }

  t.test('N20 Redis comes back empty while the handler runs: the lease is acquired again', { buffered: true }, async t => {
    const server = await startRedis()
    t.teardown(server.stop)
    const admin = server.client()
    const [one, other] = [1000, 1000].map(timeout => createOnce(createRedisStore(server.client()), { timeout, remember: 600_000 }))
    const work = { ends: () => {}, runs: 0 }
    const running = one!('key', async () => {
      work.runs++
      await new Promise<void>(resolve => { work.ends = resolve })
    })
    await t.rejects(running, { code: 'WECHAT_TIMEOUT' })
    await server.kill()
    await server.start()
    await until(async () => await admin.exists('key:lock') === 1)
    await t.rejects(other!('key', never('beside it')), { code: 'WECHAT_TIMEOUT' })
    // Longer than the lease, which is renewed as usual.
    await sleep(4000)
    await t.rejects(other!('key', never('beside it')), { code: 'WECHAT_TIMEOUT' })
    work.ends()
    await until(async () => await admin.get('key') === '1')
    await other!('key', never('after it'))
    t.equal(work.runs, 1)
  })

  t.test('N20 another process took over: the success is written, and its lease stays', { buffered: true }, async t => {
    const server = await startRedis()
    t.teardown(server.stop)
    const admin = server.client()
    const once = createOnce(createRedisStore(server.client()), { timeout: 4500, remember: 600_000 })
    await once('key', async () => { await admin.set('key:lock', 'another', 'PX', 60_000) })
    t.same(await admin.mget('key', 'key:lock'), ['1', 'another'])
  })

  t.test('N20 a closing server first writes to Redis what it could not write before', { buffered: true }, async t => {
    const server = await startRedis()
    t.teardown(server.stop)
    const admin = server.client()
    const app = Fastify()
    await app.register(redisPlugin, { host: '127.0.0.1', port: server.port })
    await app.register(notify, { appId, merchant, redis: app.redis, onPayment: async () => { await admin.config('SET', 'maxmemory', '1') } })
    const reply = await app.inject({ method: 'POST', url: '/wechat/notify', payload: signed(payment()) })
    t.match(reply.body, /SUCCESS/)
    const key = `wechat:{${appId}}:handled:${merchant.mchId}:${payment().transaction_id}`
    t.equal(await admin.get(key), null)
    await admin.config('SET', 'maxmemory', '0')
    await app.close()
    t.equal(await admin.get(key), '1')
  })
})
