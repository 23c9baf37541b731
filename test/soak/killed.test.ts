/** The process with the lock is killed while it fetches. */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { ACCOUNT } from '../helpers/account.ts'
import { fakeServer } from '../helpers/fake-server.ts'
import { startWorker } from '../helpers/fleet.ts'
import { skip, startRedis } from '../helpers/redis.ts'

t.test('T3 twenty times kill -9 of the lock\'s holder: the others get a token, and never fetch concurrently', { skip }, async t => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  let open = 0
  let most = 0
  let onRequest: (() => void) | undefined
  const requests = new Map<string, number>()

  // The first process to ask for each account gets no answer, and is killed.
  const wechat = await fakeServer((seen, reply) => {
    if (!seen.url.startsWith('/cgi-bin/stable_token')) return reply.end(JSON.stringify({ errcode: 0, ticket: 'ticket', expires_in: 7200 }))
    const { appid } = JSON.parse(seen.body)
    requests.set(appid, (requests.get(appid) ?? 0) + 1)
    most = Math.max(most, ++open)
    reply.on('close', () => { open-- })
    if (requests.get(appid) === 1) return onRequest?.()
    reply.end(JSON.stringify({ access_token: `token-of-${appid}`, expires_in: 7200 }))
  })
  t.teardown(wechat.close)
  const config = { appSecret: ACCOUNT.appSecret, endpoints: wechat.endpoints, http: { retries: 0, timeout: 20_000 } }
  const other = await startWorker(t, config, redis.port)
  let next = startWorker(t, config, redis.port)
  for (let round = 0; round < 20; round++) {
    const appId = `wx-kill-${round}`
    const holder = await next
    next = startWorker(t, config, redis.port)
    const holding = new Promise<void>(resolve => { onRequest = resolve })
    holder.begin({ callers: 1, kind: 'get', appId })
    await holding
    const waiting = other.ask({ callers: 100, kind: 'get', appId })
    await sleep(50)
    t.equal(requests.get(appId), 1, 'the other waits while the holder lives')
    holder.kill('SIGKILL')
    t.same(await waiting, [`token-of-${appId}`])
    t.equal(requests.get(appId), 2)
  }
  await next
  t.equal(most, 1, 'never two live refreshes')
})
