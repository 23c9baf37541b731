/** examples/cluster, run as its first line says. */
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { skip, startRedis } from '../helpers/redis.ts'
import { unwatched } from '../helpers/unwatched.ts'

const run = async (redisUrl: string) => {
  const child = spawn('env', unwatched('npx', ['tsx', 'examples/cluster/main.ts']), { env: { ...process.env, REDIS_URL: redisUrl } })
  const [out, errors] = await Promise.all([text(child.stdout), text(child.stderr)])
  return { out, errors }
}

t.test('four processes on one Redis share one token, and one more after a revocation', { skip }, async t => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  const { out, errors } = await run(`redis://127.0.0.1:${redis.port}`)
  t.equal(errors, '')
  const lines = out.trim().split('\n')
  t.equal(lines.length, 3)
  t.match(lines[0], /^4 processes answered 400 requests of \/wechat\/jssdk .* issued so far: 1 access_token, 1 jsapi_ticket$/)
  t.match(lines[2], /^4 processes answered 400 requests of \/wechat-servers .* issued so far: 2 access_token, 1 jsapi_ticket$/)
})
