/** Redis Cluster, one of its nodes failing over. */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createAccessToken } from '../../src/official-account/access-token.ts'
import { accountKey } from '../../src/store/key.ts'
import { createRedisStore } from '../../src/store/redis.ts'
import { testEmulator } from '../helpers/account.ts'
import { startWorkers } from '../helpers/fleet.ts'
import { skip } from '../helpers/redis.ts'
import { startCluster } from '../helpers/redis-cluster.ts'

t.test('a cluster of three', { skip }, async t => {
  const emulator = await testEmulator(t)
  const key = accountKey(emulator.config.appId, 'access_token')
  const cluster = await startCluster(t, key)

  await t.test('T1 two processes, a thousand callers each: all keys of an account are in one slot', async t => {
    const workers = await startWorkers(t, 2, emulator.config, cluster.ports)
    const ask = async (kind: 'get' | 'request') => new Set((await Promise.all(workers.map(worker => worker.ask({ callers: 1000, kind })))).flat())
    t.equal((await ask('get')).size, 1)
    t.match(await emulator.issued(), { tokens: 1, tickets: 1 })
    await emulator.expireTokens()
    t.same(await ask('request'), new Set(['ok']))
    t.match(await emulator.issued(), { tokens: 2, tickets: 1 })
  })

  await t.test('T11 the master dies under load: valid tokens are served, and the replica takes over', async t => {
    const make = () => createAccessToken({ ...emulator.config, store: createRedisStore(cluster.client()) })
    const [hot, other] = [make(), make()]
    const first = await hot.get()
    t.equal(await other.get(), first)
    await cluster.replicated()
    await cluster.fail()
    let attempts = 0
    const load = { over: false }
    const running = (async () => {
      while (!load.over) {
        attempts++
        if (await hot.get() !== first || await other.get() !== first) return 'another token'
        await sleep(10)
      }
      return 'served'
    })()
    // A process that starts now can only ask WeChat, which returns the same stable token.
    t.equal(await make().get(), first)
    await cluster.takenOver()
    await sleep(1500)
    load.over = true
    t.equal(await running, 'served')
    t.ok(attempts > 100)
    const before = (await emulator.issued()).calls.stable_token
    t.equal(await make().get(), first, 'a new process reads it from the new master')
    t.equal((await emulator.issued()).calls.stable_token, before)
    await hot.invalidate(first)
    const next = await Promise.all([hot.get(), other.invalidate(first).then(() => other.get())])
    t.equal(next[0], next[1])
    t.not(next[0], first)
  })
})
