/** A Redis Cluster on localhost: three masters, and a replica of the master of a given key. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Cluster } from 'ioredis'
import type { Redis } from 'ioredis'
import { freePort, startRedis } from './redis.ts'
import { until } from './until.ts'

const SLOTS = [[0, 5460], [5461, 10922], [10923, 16383]] as const
const MASTERS = SLOTS.length

export async function startCluster (t: { teardown (end: () => unknown): unknown }, key: string) {
  const nodes = await Promise.all(Array.from({ length: MASTERS + 1 }, async () => {
    const bus = await freePort()
    const server = await startRedis(['--cluster-enabled', 'yes', '--cluster-port', String(bus), '--cluster-node-timeout', '1000', '--dir', mkdtempSync(join(tmpdir(), 'redis-'))])
    t.teardown(server.stop)
    return { server, bus, admin: server.client() }
  }))
  const first = nodes[0]!.admin
  for (const { server, bus } of nodes.slice(1)) await first.call('CLUSTER', 'MEET', '127.0.0.1', server.port, bus)
  for (const [at, [from, to]] of SLOTS.entries()) await nodes[at]!.admin.call('CLUSTER', 'ADDSLOTSRANGE', from, to)
  for (const { admin } of nodes) await until(async () => String(await admin.call('CLUSTER', 'INFO')).includes('cluster_state:ok') && String(await admin.call('CLUSTER', 'NODES')).trim().split('\n').length === nodes.length)

  const slot = await first.cluster('KEYSLOT', key)
  const owner = nodes[SLOTS.findIndex(([from, to]) => slot >= from && slot <= to)]!
  const replica = nodes[MASTERS]!
  await replica.admin.call('CLUSTER', 'REPLICATE', String(await owner.admin.call('CLUSTER', 'MYID')))
  await until(async () => (await role(replica.admin)).includes('connected'))

  return {
    ports: nodes.slice(0, MASTERS).map(({ server }) => server.port),
    /** Resolves when the replica is in sync. */
    replicated: () => until(async () => (await replica.admin.dbsize()) === (await owner.admin.dbsize())),
    client () {
      const cluster = new Cluster(nodes.map(({ server }) => ({ host: '127.0.0.1', port: server.port })), { clusterRetryStrategy: () => 200 })
      cluster.on('error', () => {})
      t.teardown(() => cluster.disconnect())
      return cluster
    },
    /** Kills the key's master. */
    fail: () => owner.server.kill(),
    /** Resolves when the replica has become master. */
    takenOver: () => until(async () => (await role(replica.admin))[0] === 'master')
  }
}

const role = async (redis: Redis) => (await redis.call('ROLE') as unknown[]).map(String)
