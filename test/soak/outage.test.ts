/** Redis is killed for a minute while the jssdk route is under load. */
import { setTimeout as sleep } from 'node:timers/promises'
import Fastify from 'fastify'
import t from 'tap'
import { jssdk } from '../../plugins/jssdk.ts'
import { testEmulator } from '../helpers/account.ts'
import { skip, startRedis } from '../helpers/redis.ts'

/** Milliseconds: a minute in CI, less on a developer's machine. */
const OUTAGE = process.env.CI === 'true' ? 60_000 : 10_000

t.test('T10 no request of the jssdk route fails', { skip }, async t => {
  const emulator = await testEmulator(t)
  const redis = await startRedis()
  t.teardown(redis.stop)
  const apps = await Promise.all([1, 2].map(async () => {
    const app = Fastify()
    await app.register(jssdk, { ...emulator.config, redis: redis.client() })
    t.teardown(() => app.close())
    return app
  }))
  const url = encodeURIComponent('http://localhost:80/page')
  // Both have token and ticket before Redis goes, however slow the machine is; the second one gets the first one's.
  for (const app of apps) t.equal((await app.inject({ url: `/wechat/jssdk?url=${url}` })).statusCode, 200)
  const statuses = new Map<number, number>()
  const load = { over: false }
  const running = Promise.all(apps.map(async app => {
    while (!load.over) {
      for (const { statusCode } of await Promise.all(Array.from({ length: 20 }, () => app.inject({ url: `/wechat/jssdk?url=${url}` })))) {
        statuses.set(statusCode, (statuses.get(statusCode) ?? 0) + 1)
      }
      await sleep(20)
    }
  }))
  await sleep(500)
  await redis.kill()
  await sleep(OUTAGE)
  await redis.start()
  await sleep(5000)
  load.over = true
  await running
  t.same([...statuses.keys()], [200])
  t.ok(statuses.get(200)! > OUTAGE / 10)
  t.match(await emulator.issued(), { tokens: 1, tickets: 1 })
  for (const app of apps) t.equal(app.wechatToken.status().storeReachable, true)
})
