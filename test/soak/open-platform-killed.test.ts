/** A platform's process is killed during an authorization: the refresh token is never lost. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import type { Test } from 'tap'
import { testEmulator } from '../helpers/account.ts'
import type { PlatformWorkerOptions } from '../helpers/platform-worker.ts'
import { skip, startRedis } from '../helpers/redis.ts'
import { until } from '../helpers/until.ts'
import { unwatched } from '../helpers/unwatched.ts'

async function start (t: Test, options: PlatformWorkerOptions) {
  const child = spawn('env', unwatched(process.execPath, ['--import', 'tsx', 'test/helpers/platform-worker.ts', JSON.stringify(options)]), {
    cwd: new URL('../../', import.meta.url), stdio: ['ignore', 'inherit', 'inherit', 'ipc']
  })
  t.teardown(() => child.kill('SIGKILL'))
  const ended = once(child, 'exit')
  const [{ url }] = await once(child, 'message') as [{ url: string }]
  return {
    url,
    ended,
    kill: () => child.kill('SIGKILL'),
    async token (appId: string): Promise<{ token?: string, error?: string }> {
      child.send(appId)
      const [answer] = await once(child, 'message') as [{ token?: string, error?: string }]
      return answer
    }
  }
}

for (const at of ['before', 'after', 'the call'] as const) {
  t.test(`kill -9: ${at === 'the call' ? 'while WeChat answers with the refresh token' : `${at} the application has recorded it`}`, { skip }, async t => {
    const [redis, records] = await Promise.all([startRedis(), startRedis()])
    t.teardown(redis.stop)
    t.teardown(records.stop)
    // Slow enough that nothing is pushed or expires by itself.
    const emulator = await testEmulator(t, { timeScale: 1, component: true })
    const { openPlatformConfig, account: { appId } } = emulator
    const options = { redisPort: redis.port, recordsPort: records.port, options: openPlatformConfig as NonNullable<typeof openPlatformConfig> }
    const pushed = (type: string) => emulator.waitForNotification(({ info_type: sent, accepted }) => sent === type && accepted, { timeout: 60_000 })

    const first = await start(t, { ...options, ...(at !== 'the call' && { dies: at }) })
    await emulator.setComponentUrl(first.url)
    await pushed('component_verify_ticket')
    if (at === 'the call') {
      // WeChat has acted, but its answer is lost.
      await emulator.fault({ path: '/cgi-bin/component/api_query_auth', kind: 'hang', when: 'after' })
      await emulator.authorizeComponent()
      await until(async () => (await emulator.calls()).some(({ url }) => url.includes('api_query_auth')))
      first.kill()
    } else await emulator.authorizeComponent()
    await first.ended
    await emulator.clearFaults()

    const second = await start(t, options)
    await emulator.setComponentUrl(second.url)
    const client = records.client()
    await until(async () => await client.hget('refreshTokens', appId) !== null)
    // Only obtainable with the refresh token.
    await emulator.expireComponent({ authorizerTokens: true })
    t.match(await second.token(appId), { token: /./ })
  })
}
