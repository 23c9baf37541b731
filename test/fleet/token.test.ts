/** Several real processes, one real Redis: the promises that only a fleet can break. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createAccessToken } from '../../src/official-account/access-token.ts'
import { createRedisStore } from '../../src/store/redis.ts'
import { testEmulator } from '../helpers/account.ts'
import { fakeServer } from '../helpers/fake-server.ts'
import { skip, startRedis } from '../helpers/redis.ts'
import { unwatched } from '../helpers/unwatched.ts'

type Tap = Parameters<typeof testEmulator>[0]

async function worker (t: Tap, config: object, redisPort: number): Promise<ChildProcess> {
  const child = spawn('env', unwatched(process.execPath, ['--import', 'tsx', 'test/helpers/token-worker.ts', JSON.stringify({ config, redisPort })]), {
    cwd: new URL('../../', import.meta.url), stdio: ['ignore', 'inherit', 'inherit', 'ipc']
  })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child, 'message')
  return child
}

async function ask (child: ChildProcess, callers: number, kind = 'get'): Promise<string[]> {
  child.send({ callers, kind })
  const [{ values }] = await once(child, 'message') as [{ values: string[] }]
  return values
}

t.test('a fleet', { skip, timeout: 110_000 }, async t => {
  const redis = await startRedis()
  t.teardown(redis.stop)

  t.test('T1 four processes, a thousand cold callers each: one token, one ticket; T6 the same after a 40001 storm', async t => {
    const emulator = await testEmulator(t)
    const workers = await Promise.all([1, 2, 3, 4].map(() => worker(t, emulator.config, redis.port)))
    const values = (await Promise.all(workers.map(child => ask(child, 1000)))).flat()
    t.equal(new Set(values).size, 1)
    t.match(await emulator.issued(), { tokens: 1, tickets: 1 })
    await emulator.expireTokens()
    t.same(new Set((await Promise.all(workers.map(child => ask(child, 1000, 'request')))).flat()), new Set(['ok']))
    t.match(await emulator.issued(), { tokens: 2, tickets: 1 })
  })

  t.test('T3 kill -9 of the holder in mid-fetch, again and again: the others get a token within seconds', async t => {
    for (let round = 0; round < 3; round++) {
      let asked = 0
      let begun: (() => void) | undefined
      const holding = new Promise<void>(resolve => { begun = resolve })
      // WeChat never answers the first who asks, who is killed meanwhile.
      const wechat = await fakeServer((seen, reply) => {
        if (!seen.url.startsWith('/cgi-bin/stable_token')) return reply.end(JSON.stringify({ errcode: 0, ticket: 'ticket', expires_in: 7200 }))
        if (++asked === 1) return begun?.()
        reply.end(JSON.stringify({ access_token: `token-${round}`, expires_in: 7200 }))
      })
      t.teardown(wechat.close)
      const config = { appId: `wx-kill-${round}`, appSecret: 'c0ffee00c0ffee00c0ffee00c0ffee42', endpoints: wechat.endpoints }
      const [holder, other] = await Promise.all([worker(t, config, redis.port), worker(t, config, redis.port)]) as [ChildProcess, ChildProcess]
      holder.send({ callers: 1, kind: 'get' })
      await holding
      const waiting = ask(other, 100)
      await sleep(50)
      t.equal(asked, 1, 'the other waits while the holder lives')
      holder.kill('SIGKILL')
      t.same(await waiting, [`token-${round}`])
      t.equal(asked, 2)
    }
  })

  t.test('T10 Redis killed under load and started again: no failure while the token lives', async t => {
    const emulator = await testEmulator(t)
    const own = await startRedis()
    t.teardown(own.stop)
    const token = createAccessToken({ ...emulator.config, store: createRedisStore(own.client()) })
    await token.ticket()
    let calls = 0
    let failed = 0
    const until = performance.now() + 4000
    const load = (async () => {
      while (performance.now() < until) {
        await Promise.all(Array.from({ length: 50 }, () => token.ticket().then(() => { calls++ }, () => { failed++ })))
        await sleep(5)
      }
    })()
    await sleep(500)
    await own.kill()
    await sleep(1500)
    await own.start()
    await load
    t.equal(failed, 0)
    t.ok(calls > 1000)
    await token.invalidate(await token.get())
    t.match(await token.get(), /^98_/, 'and it is used again')
    t.match(await emulator.issued(), { tickets: 1 })
  })

  t.test('T13 two accounts on one Redis never meet, whatever their ids contain', async t => {
    const ids = ['wx1', 'wx1}', '{wx1}', 'wx1:access_token', 'wx%31']
    const wechat = await fakeServer((seen, reply) => { reply.end(JSON.stringify({ access_token: `of-${JSON.parse(seen.body).appid.length}-${wechat.seen.length}`, expires_in: 7200 })) })
    t.teardown(wechat.close)
    const values = []
    for (const appId of ids) values.push(await createAccessToken({ appId, appSecret: 'c0ffee00c0ffee00c0ffee00c0ffee42', endpoints: wechat.endpoints, store: createRedisStore(redis.client()) }).get())
    t.equal(new Set(values).size, ids.length)
  })
})
