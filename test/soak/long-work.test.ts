/** examples/long-work, run as its first line says, with a real Redis and a worker process. */
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { skip, startRedis } from '../helpers/redis.ts'
import { unwatched } from '../helpers/unwatched.ts'

t.test('long work', { skip }, async t => {
  const redis = await startRedis()
  t.teardown(redis.stop)

  async function run (...more: string[]): Promise<string> {
    const child = spawn('env', unwatched(process.execPath, ['--import', 'tsx', 'examples/long-work/main.ts', ...more]), {
      cwd: new URL('../../', import.meta.url), env: { ...process.env, REDIS_URL: `redis://127.0.0.1:${redis.port}`, WORK_MS: '1500', LOCK_MS: '1000' }
    })
    t.teardown(() => child.kill('SIGKILL'))
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)])
    t.equal(err, '')
    return out
  }

  await t.test('a payment is recorded, acknowledged before the work is done, and fulfilled once', async t => {
    const out = await run()
    t.match(out, /answered SUCCESS[\s\S]*: fulfilled L\d+\nstarted 1, fulfilled 1\n$/)
  })

  await t.test('the worker is killed: another one does the work, once', async t => {
    const out = await run('--kill')
    t.match(out, /answered SUCCESS[\s\S]*killed\n[\s\S]*: fulfilled L\d+\nstarted [23], fulfilled 1\n$/)
    t.equal(out.match(/: fulfilled/g)?.length, 1)
  })

  t.same((await redis.client().keys('bull:fulfil:paid-*')), [], 'no job is left')
})
