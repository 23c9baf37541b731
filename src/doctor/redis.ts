/** The shared store: checks that Redis is reachable and fast, and keeps its data. */
import { randomUUID } from 'node:crypto'
import cluster from 'node:cluster'
import { accountKey } from '../store/key.ts'
import { script, scriptRunner } from '../store/redis-client.ts'
import { withTimeout } from '../with-timeout.ts'
import { check, fails, passes, skips, UNUSED, warns } from './check.ts'
import type { CheckContext } from './context.ts'

/** Milliseconds. */
const TIMEOUT = 5000
const SLOW = 50
/** Seconds that Redis's clock may differ. */
const ODD = 30

const keyOf = ({ options: { appId = 'doctor' } }: CheckContext) => accountKey(appId, 'doctor')

/** On the node with the account's keys: a Cluster selects it by the key. */
export async function ask (context: CheckContext, source: string, key = keyOf(context)): Promise<unknown> {
  const { redis } = context.options
  if (!redis) throw new Error('redis is not set')
  return await withTimeout(TIMEOUT, () => scriptRunner(redis)(script(source), [key], []), () => new Error('no answer in time'))
}

/** Redis puts commands and their arguments into its errors: only the first word is safe. */
const problemOf = (error: unknown): string => /^(?:[A-Z]{3,}|no answer in time)/.exec((error as Error).message)?.[0] ?? String((error as { code?: unknown }).code ?? (error as Error).name)

const infoOf = (context: CheckContext) => context.fact('redis info', async () => {
  // One section per call: older versions accept only one.
  const text = (await Promise.all(['server', 'memory', 'persistence', 'replication', 'cluster'].map(async section => String(await ask(context, `return redis.call('INFO', '${section}')`))))).join('\n')
  return Object.fromEntries(text.split(/\r?\n/).map(line => line.split(':')).filter(pair => pair.length > 1).map(([name, ...rest]) => [name, rest.join(':')])) as Record<string, string | undefined>
})

/** The number of processes, from the settings or the environment. */
function processesOf ({ settings: { processes }, env: { NODE_APP_INSTANCE: instance, WEB_CONCURRENCY: concurrency } }: CheckContext): number {
  return processes ?? Math.max(cluster.isWorker || instance !== undefined ? 2 : 1, Number(concurrency) || 1)
}

/** All commands that the shared store needs, in one script. It writes only a key of the doctor's own and deletes it at once. */
const LOCK = `
redis.call('SET', KEYS[1], '1', 'NX', 'PX', 2000)
redis.call('GET', KEYS[1])
redis.call('PTTL', KEYS[1])
redis.call('PEXPIRE', KEYS[1], 2000)
redis.call('INCR', KEYS[1])
return redis.call('DEL', KEYS[1])`

const READY = { needs: ['redis.reachable'], online: true } as const

export const redisChecks = [
  check('redis.processes', {
    messages: {
      shared: passes('all processes share one Redis', '所有进程共用一个 Redis'),
      single: passes('a single process needs no Redis', '单进程不需要 Redis'),
      apart: fails('several processes, but no redis: they invalidate each other\'s tokens, and each handles notifications again', '多进程但未配置 redis：各进程会互相顶掉 token，并重复处理回调', 'Set the option redis (app.redis of @fastify/redis): docs/redis.md.', '请配置 redis 选项（@fastify/redis 的 app.redis），见 docs/zh-CN/redis.md。')
    },
    run: context => context.options.redis ? 'shared' : processesOf(context) > 1 ? 'apart' : 'single'
  }),

  check('redis.reachable', {
    online: true,
    messages: {
      unused: UNUSED,
      answers: passes('Redis answers', 'Redis 有响应'),
      unreachable: fails('Redis does not answer ({problem})', 'Redis 没有响应（{problem}）', 'Check address, password (NOAUTH, WRONGPASS) and TLS; for a cluster, use a cluster client (MOVED).', '请检查地址、密码（NOAUTH、WRONGPASS）、TLS；集群须使用 Cluster 客户端（MOVED）。')
    },
    async run (context) {
      if (!context.options.redis) return 'unused'
      try {
        await ask(context, 'return 1')
        return 'answers'
      } catch (error) {
        return { outcome: 'unreachable', values: { problem: problemOf(error) } }
      }
    }
  }),

  check('redis.commands', {
    needs: ['redis.role'],
    online: true,
    messages: {
      unused: UNUSED,
      work: passes('a lock can be acquired and released', '可以加锁与释放锁'),
      refused: fails('a lock cannot be acquired ({problem})', '无法加锁（{problem}）', 'READONLY: this is a replica. NOPERM: the user lacks commands (EVAL, GET, SET, DEL, PEXPIRE, PTTL, INCR). OOM: the memory is full.', 'READONLY：连到了从节点；NOPERM：用户缺少命令权限（EVAL、GET、SET、DEL、PEXPIRE、PTTL、INCR）；OOM：内存已满。')
    },
    async run (context) {
      if (!context.options.redis) return 'unused'
      try {
        await ask(context, LOCK, `${keyOf(context)}:${randomUUID()}`)
        return 'work'
      } catch (error) {
        return { outcome: 'refused', values: { problem: rootOf(error) ?? problemOf(error) } }
      }
    }
  }),

  check('redis.version', {
    ...READY,
    messages: {
      unused: UNUSED,
      unknown: skips('this user may not run INFO', '该用户无权执行 INFO'),
      fits: passes('Redis {version}', 'Redis {version}'),
      old: warns('Redis {version} is past its end of life', 'Redis {version} 已停止维护', 'Upgrade to 7 or later.', '请升级到 7 或更高版本。')
    },
    async run (context) {
      if (!context.options.redis) return 'unused'
      const info = await infoOf(context).catch(() => undefined)
      const version = info?.redis_version
      return version === undefined ? 'unknown' : { outcome: Number.parseInt(version) < 6 ? 'old' : 'fits', values: { version } }
    }
  }),

  check('redis.latency', {
    ...READY,
    messages: {
      unused: UNUSED,
      quick: passes('Redis answers in {ms} ms', 'Redis 响应耗时 {ms} 毫秒'),
      slow: warns('Redis takes {ms} ms to answer', 'Redis 响应耗时 {ms} 毫秒', 'It should be in the same data centre; above 2000 ms it counts as unavailable.', 'Redis 应与服务在同一机房；超过 2000 毫秒视为不可用。')
    },
    async run (context) {
      if (!context.options.redis) return 'unused'
      // The best of several: this process itself may have been busy during the others.
      let best = Infinity
      for (let tries = 0; tries < 10 && best > SLOW; tries++) {
        const start = performance.now()
        await ask(context, 'return 1')
        best = Math.min(best, performance.now() - start)
      }
      return { outcome: best > SLOW ? 'slow' : 'quick', values: { ms: Math.ceil(best) } }
    }
  }),

  check('redis.eviction', {
    needs: ['redis.version'],
    online: true,
    messages: {
      unused: UNUSED,
      unknown: skips('this user may not run INFO', '该用户无权执行 INFO'),
      keeps: passes('Redis evicts nothing ({policy})', 'Redis 不会逐出数据（{policy}）'),
      evicts: fails('with maxmemory-policy {policy} Redis evicts locks and records of handled notifications when its memory is full', 'maxmemory-policy 为 {policy}：内存满时会丢弃锁与已处理的回调记录', 'Set maxmemory-policy noeviction, or use a separate Redis: after an eviction a payment may be handled twice.', '请设为 noeviction，或使用独立的 Redis：记录丢失会导致同一支付被处理两次。')
    },
    async run (context) {
      if (!context.options.redis) return 'unused'
      const info = await infoOf(context).catch(() => undefined)
      if (!info?.maxmemory_policy) return 'unknown'
      const policy = info.maxmemory_policy
      return { outcome: policy === 'noeviction' || info.maxmemory === '0' ? 'keeps' : 'evicts', values: { policy } }
    }
  }),

  check('redis.memory', {
    needs: ['redis.version', 'redis.commands'],
    online: true,
    messages: {
      unused: UNUSED,
      free: passes('memory is available', '内存充足'),
      full: warns('Redis uses {percent} % of its maxmemory', 'Redis 已使用 maxmemory 的 {percent}%', 'With noeviction it will refuse writes: add memory, or find out what fills it.', '在 noeviction 下写满后会拒绝写入：请扩容或清理。')
    },
    async run (context) {
      if (!context.options.redis) return 'unused'
      const { used_memory: used = '0', maxmemory: most = '0' } = await infoOf(context).catch(() => ({} as Record<string, string | undefined>))
      const percent = Number(most) > 0 ? Math.floor(Number(used) / Number(most) * 100) : 0
      return percent >= 90 ? { outcome: 'full', values: { percent } } : 'free'
    }
  }),

  check('redis.persistence', {
    needs: ['redis.version'],
    online: true,
    messages: {
      unused: UNUSED,
      unknown: skips('this user may not run INFO', '该用户无权执行 INFO'),
      unsure: skips('this user may not run CONFIG, and INFO does not say whether snapshots are scheduled', '该用户无权执行 CONFIG，而 INFO 看不出是否启用了快照'),
      kept: passes('data survives a restart of Redis ({how})', 'Redis 重启后数据仍在（{how}）'),
      gone: warns('a restart of Redis loses the records of handled notifications', 'Redis 重启后会忘记哪些回调已处理', 'Set appendonly yes, and use idempotencyKey in onPayment, which protects you in any case.', '请设置 appendonly yes；并在 onPayment 中使用 idempotencyKey，任何情况下都能防重。'),
      failing: fails('Redis cannot write to its disk ({what})', 'Redis 无法写盘（{what}）', 'Check its log and the disk: Redis refuses writes while it cannot save.', '请查看 Redis 日志与磁盘：无法保存时 Redis 会拒绝写入。')
    },
    async run (context) {
      if (!context.options.redis) return 'unused'
      const info = await infoOf(context).catch(() => undefined)
      if (info?.aof_enabled === undefined) return 'unknown'
      if (info.aof_enabled === '1') return info.aof_last_write_status === 'err' ? { outcome: 'failing', values: { what: 'AOF' } } : { outcome: 'kept', values: { how: 'AOF' } }
      if (info.rdb_last_bgsave_status === 'err') return { outcome: 'failing', values: { what: 'RDB' } }
      if (Number(info.connected_slaves) > 0) return { outcome: 'kept', values: { how: 'replica' } }
      // INFO does not say whether snapshots are scheduled.
      const planned = await hasSnapshots(context)
      return planned === undefined ? 'unsure' : planned ? { outcome: 'kept', values: { how: 'RDB' } } : 'gone'
    }
  }),

  check('redis.role', {
    needs: ['redis.version'],
    online: true,
    messages: {
      unused: UNUSED,
      master: passes('the client is connected to the primary', '连接的是主节点'),
      replica: fails('the client is connected to a replica', '客户端连接的是从节点', 'Connect to the primary, through Sentinel or with the service\'s primary address.', '请连接主节点（Sentinel 或云服务的主地址）。')
    },
    async run (context) {
      if (!context.options.redis) return 'unused'
      const { role } = await infoOf(context).catch(() => ({} as Record<string, string | undefined>))
      return role === 'slave' ? 'replica' : 'master'
    }
  }),

  check('redis.cluster', {
    needs: ['redis.version'],
    online: true,
    messages: {
      unused: UNUSED,
      single: passes('this is not a cluster', '不是集群'),
      unknown: skips('this client may not run CLUSTER INFO', '该客户端无法执行 CLUSTER INFO'),
      whole: passes('all {slots} slots of the cluster are served', '集群的 {slots} 个槽全部可用'),
      incomplete: fails('the cluster is incomplete: {state}, {slots} of 16384 slots are served', '集群不完整：{state}，仅 {slots}/16384 个槽可用', 'Run redis-cli --cluster check, and --cluster fix.', '请执行 redis-cli --cluster check 与 --cluster fix。')
    },
    async run (context) {
      if (!context.options.redis) return 'unused'
      const info = await infoOf(context).catch(() => undefined)
      if (info?.cluster_enabled !== '1') return 'single'
      const { cluster: command } = context.options.redis as { cluster?: (what: string) => Promise<unknown> }
      const text = String(await command?.call(context.options.redis, 'INFO').catch(() => '') ?? '')
      const state = /cluster_state:(\w+)/.exec(text)?.[1]
      const slots = /cluster_slots_ok:(\d+)/.exec(text)?.[1]
      if (!state || !slots) return 'unknown'
      return { outcome: state === 'ok' && slots === '16384' ? 'whole' : 'incomplete', values: { state, slots } }
    }
  }),

  check('redis.clock', {
    ...READY,
    messages: {
      unused: UNUSED,
      right: passes('Redis\'s clock and this machine\'s differ by {seconds} s', 'Redis 与本机的时间相差 {seconds} 秒'),
      odd: warns('Redis\'s clock and this machine\'s differ by {seconds} s', 'Redis 与本机的时间相差 {seconds} 秒', 'Nothing here depends on it, but timestamps in logs will differ: synchronize both clocks (NTP).', '功能不受影响，但日志时间对不上：请让两边都用 NTP 校时。')
    },
    async run (context) {
      if (!context.options.redis) return 'unused'
      const [seconds] = await ask(context, 'return redis.call(\'TIME\')') as [string]
      const apart = Math.abs(Math.round(Date.now() / 1000 - Number(seconds)))
      return { outcome: apart >= ODD ? 'odd' : 'right', values: { seconds: apart } }
    }
  })
]

/** The error of a Lua script: Redis puts the actual error code after the script's own message. */
const rootOf = (error: unknown): string | undefined => {
  const { message } = error as Error
  return /can't run this command/.test(message) ? 'NOPERM' : /\b(?:READONLY|NOPERM|OOM|MISCONF|MOVED|CLUSTERDOWN|NOREPLICAS)\b/.exec(message)?.[0]
}

/** Undefined if this client cannot run the command, or may not. */
async function hasSnapshots ({ options: { redis } }: CheckContext): Promise<boolean | undefined> {
  const { config } = redis as { config?: (what: string, name: string) => Promise<unknown> }
  const answer = await config?.call(redis, 'GET', 'save').catch(() => undefined)
  return Array.isArray(answer) && typeof answer[1] === 'string' ? answer[1] !== '' : undefined
}
