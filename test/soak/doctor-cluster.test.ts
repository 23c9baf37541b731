/** The doctor's checks of a Redis Cluster, healthy and broken. */
import t from 'tap'
import { diagnose } from '../../src/index.ts'
import { accountKey } from '../../src/store/key.ts'
import { healthy, reportsOnly } from '../helpers/doctor.ts'
import { freePort, skip, startRedis } from '../helpers/redis.ts'
import { startCluster } from '../helpers/redis-cluster.ts'
import { until } from '../helpers/until.ts'

interface Test { teardown (end: () => unknown): unknown, testdir (): string }

async function redisFor (t: Test, ...args: string[]) {
  const server = await startRedis(['--appendonly', 'yes', '--dir', t.testdir(), ...args])
  t.teardown(server.stop)
  return { server, redis: server.client({ maxRetriesPerRequest: 1 }) }
}

t.test('healthy, without slots, with unserved slots', { skip }, async t => {
  const { options, settings } = await healthy(t)
  const key = accountKey(options.appId as string, 'doctor')
  const whole = await startCluster(t, key)
  const { checks } = await diagnose({ ...options, redis: whole.client() }, settings)
  t.match(checks.find(({ id }) => id === 'redis.cluster'), { status: 'passed', message: /16384/ })
  t.match(checks.filter(({ status }) => status === 'failed'), [])

  const busPort = await freePort()
  const partial = await redisFor(t, '--cluster-enabled', 'yes', '--cluster-port', String(busPort), '--cluster-require-full-coverage', 'no')
  await reportsOnly(t, 'no slots at all', { id: 'redis.reachable', message: /CLUSTERDOWN/ }, { ...options, redis: partial.redis }, settings)
  const slot = await partial.redis.cluster('KEYSLOT', key)
  await partial.redis.call('CLUSTER', 'ADDSLOTS', String(slot))
  await until(async () => String(await partial.redis.call('CLUSTER', 'INFO')).includes('cluster_state:ok'))
  await reportsOnly(t, 'slots without a node', { id: 'redis.cluster', message: /1 of 16384/ }, { ...options, redis: partial.redis }, settings)
})
