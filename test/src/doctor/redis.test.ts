/** A real Redis with one problem at a time. Versions, latency and clocks are simulated by a wrapper. */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Redis } from 'ioredis'
import type { DiagnoseOptions } from '../../../src/index.ts'
import { diagnose } from '../../../src/index.ts'
import { healthy, reportsOnly, findProblems } from '../../helpers/doctor.ts'
import { skip, startRedis } from '../../helpers/redis.ts'
import { until } from '../../helpers/until.ts'

interface Test { teardown (end: () => unknown): unknown, testdir (): string }

async function redisFor (t: Test, ...args: string[]) {
  const server = await startRedis(['--appendonly', 'yes', '--dir', t.testdir(), ...args])
  t.teardown(server.stop)
  return { server, redis: server.client({ maxRetriesPerRequest: 1 }) }
}

t.test('one problem at a time', { skip }, async t => {
  const { options, settings } = await healthy(t)
  const { server, redis } = await redisFor(t)
  const use = (client: unknown): DiagnoseOptions => ({ ...options, redis: client as Redis })

  t.same(await findProblems(t, use(redis), settings), [], 'nothing')
  const { checks } = await diagnose(use(redis), settings)
  // Without latency, which a busy machine does not pass.
  t.match(checks.filter(({ id, status }) => id.startsWith('redis.') && id !== 'redis.latency' && status === 'passed').map(({ id }) => id), ['redis.processes', 'redis.reachable', 'redis.commands', 'redis.version', 'redis.eviction', 'redis.memory', 'redis.persistence', 'redis.role', 'redis.cluster', 'redis.clock'])
  t.equal(await redis.dbsize(), 0, 'the doctor leaves no keys')

  await redis.config('SET', 'maxmemory-policy', 'allkeys-lru')
  t.same(await findProblems(t, use(redis), settings), [], 'a policy without a limit evicts nothing')
  await redis.config('SET', 'maxmemory', '100mb')
  await reportsOnly(t, 'a policy that evicts locks', { id: 'redis.eviction', message: /allkeys-lru/ }, use(redis), settings)
  await redis.config('SET', 'maxmemory-policy', 'volatile-ttl')
  await reportsOnly(t, 'a policy that evicts keys with a ttl', { id: 'redis.eviction', message: /volatile-ttl/ }, use(redis), settings)
  await redis.config('SET', 'maxmemory-policy', 'noeviction')
  await redis.config('SET', 'maxmemory', '1mb')
  await reportsOnly(t, 'no memory left', { id: 'redis.commands', message: /OOM/ }, use(redis), settings)
  const used = Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1])
  await redis.config('SET', 'maxmemory', String(Math.floor(used * 1.06)))
  await reportsOnly(t, 'hardly any memory left', { id: 'redis.memory', status: 'warning', message: /9\d %/ }, use(redis), settings)
  await redis.config('SET', 'maxmemory', '0')

  await redis.config('SET', 'appendonly', 'no')
  await reportsOnly(t, 'no persistence', { id: 'redis.persistence', status: 'warning' }, use(redis), settings)
  await redis.config('SET', 'save', '900 1')
  t.same(await findProblems(t, use(redis), settings), [], 'snapshots are sufficient')
  await redis.config('SET', 'appendonly', 'yes')

  await redis.call('ACL', 'SETUSER', 'reader', 'on', '>reader', '~*', '+@all', '-set')
  const reader = server.client({ username: 'reader', password: 'reader' })
  await reportsOnly(t, 'a user that may not write', { id: 'redis.commands', message: /NOPERM/ }, use(reader), settings)
  await redis.call('ACL', 'SETUSER', 'narrow', 'on', '>narrow', '~*', '+@all', '-info')
  t.same(await findProblems(t, use(server.client({ username: 'narrow', password: 'narrow' })), settings), [], 'a user without INFO is not a problem')
  await redis.config('SET', 'requirepass', 'a password')
  await reportsOnly(t, 'no password', { id: 'redis.reachable', message: /NOAUTH/ }, use(server.client()), settings)

  const putOn = (change: (script: string, answer: unknown) => unknown) => ({
    on: () => {},
    // No script is cached, so each is sent as source.
    evalsha: async () => { throw new Error('NOSCRIPT No matching script.') },
    eval: async (script: string, ...rest: [number, ...Array<string | number>]) => await change(script, await (redis as unknown as { eval (...args: unknown[]): Promise<unknown> }).eval(script, ...rest)),
    config: redis.config.bind(redis)
  })
  await reportsOnly(t, 'an old version', { id: 'redis.version', status: 'warning', message: /5\.0\.7/ }, use(putOn((_script, answer) => typeof answer === 'string' ? answer.replace(/redis_version:\S+/, 'redis_version:5.0.7') : answer)), settings)
  await reportsOnly(t, 'a slow connection', { id: 'redis.latency', status: 'warning' }, use(putOn(async (_script, answer) => { await sleep(80); return answer })), settings)
  await reportsOnly(t, 'another clock', { id: 'redis.clock', status: 'warning' }, use(putOn((script, answer) => script.includes('TIME') && Array.isArray(answer) ? [String(Number(answer[0]) - 600), '0'] : answer)), settings)
  await reportsOnly(t, 'a full disk', { id: 'redis.persistence', message: /AOF/ }, use(putOn((_script, answer) => typeof answer === 'string' ? answer.replace('aof_last_write_status:ok', 'aof_last_write_status:err') : answer)), settings)
})

t.test('unavailable, or not a Redis', { skip }, async t => {
  const { options, settings } = await healthy(t)
  const { server, redis } = await redisFor(t)
  const replica = await redisFor(t, '--replicaof', '127.0.0.1', String(server.port))
  await until(async () => (await replica.redis.info('replication')).includes('master_link_status:up'))
  await reportsOnly(t, 'a replica', { id: 'redis.role', message: /replica/ }, { ...options, redis: replica.redis }, settings)
  await server.kill()
  await reportsOnly(t, 'a stopped server', { id: 'redis.reachable' }, { ...options, redis }, settings)
  await reportsOnly(t, 'several processes without Redis', { id: 'redis.processes' }, options, { ...settings, processes: 4 })
  await reportsOnly(t, 'several processes, according to the platform', { id: 'redis.processes' }, options, { ...settings, env: { WEB_CONCURRENCY: '3' } })
})
