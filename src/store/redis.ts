import { WechatError } from '../errors.ts'
import type { Store } from './store.ts'

/** What is used of an ioredis client or cluster (`app.redis` of @fastify/redis). */
export interface RedisClient {
  eval (script: string, keyCount: number, ...args: Array<string | number>): Promise<unknown>
}

/** Milliseconds a command may take: ioredis alone would keep it waiting for as long as Redis is away. */
const TIMEOUT = 2000

// Each script starts from the same two keys: the value and, beside it in the same hash slot, its lock.
// A value of another type, or one that never expires, is not ours: as good as none, and overwritten by the next write.
const READ = `
local ok, value = pcall(redis.call, 'GET', KEYS[1])
local ttl = redis.call('PTTL', KEYS[1])
if not ok or type(value) ~= 'string' or ttl <= 0 then value = false end
`
const OWNS = 'if redis.call(\'GET\', KEYS[2]) ~= ARGV[1] then return 0 end\n'

const SCRIPTS = {
  read: `${READ} if value then return {value, ttl} end return false`,
  take: `${READ}
    if value and ttl > tonumber(ARGV[3]) then return {value, ttl} end
    if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
    return 0`,
  extend: `${OWNS} return redis.call('PEXPIRE', KEYS[2], ARGV[2])`,
  finish: `${OWNS} redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) redis.call('DEL', KEYS[2]) return 1`,
  release: `${OWNS} return redis.call('DEL', KEYS[2])`,
  drop: `${READ}
    if value ~= ARGV[1] then return 0 end
    redis.call('DEL', KEYS[1])
    if KEYS[3] then redis.call('SET', KEYS[3], ARGV[2], 'PX', ARGV[3]) end
    return 1`,
  note: 'redis.call(\'SET\', KEYS[1], ARGV[1], \'PX\', ARGV[2]) return 1',
  count: `
    local n = redis.call('INCR', KEYS[1])
    if n == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
    return n`
}

function storeError ({ message, name }: Error): WechatError {
  // Redis puts commands and their arguments, tokens among them, into its errors: the first word is what matters.
  const reason = /^(?:[A-Z]{3,}|no answer in time)/.exec(message)?.[0] ?? name
  return new WechatError('WECHAT_STORE', `the shared store failed (${reason})`, { statusCode: 503, fault: 'network', retryable: true })
}

/**
 * Shared by any number of processes and machines, on the host's own client; life-times are measured by Redis alone.
 * Every method throws WechatError `WECHAT_STORE` when Redis does not answer in time or refuses.
 */
export function createRedisStore (redis: RedisClient, timeout = TIMEOUT): Store {
  const run = (script: keyof typeof SCRIPTS, key: string, ...args: Array<string | number>) =>
    runOn(script, [key, `${key}:lock`], ...args)

  async function runOn (script: keyof typeof SCRIPTS, keys: string[], ...args: Array<string | number>): Promise<unknown> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(reject, timeout, new Error('no answer in time'))
    })
    return await Promise.race([redis.eval(SCRIPTS[script], keys.length, ...keys, ...args), late])
      .catch((error: Error) => { throw storeError(error) })
      .finally(() => clearTimeout(timer))
  }
  const found = (reply: unknown) => {
    const [value, ttl] = reply as [string, number]
    return { value, ttl }
  }
  // PX takes whole milliseconds, and none below one.
  const whole = (ms: number) => Math.max(1, Math.floor(ms))

  return {
    async read (key) {
      const reply = await run('read', key)
      return reply ? found(reply) : undefined
    },
    async take (key, owner, lease, minTtl = 0) {
      const reply = await run('take', key, owner, whole(lease), Math.floor(minTtl))
      if (reply === 1) return { state: 'mine' }
      return reply === 0 ? { state: 'taken' } : { state: 'done', ...found(reply) }
    },
    extend: async (key, owner, lease) => await run('extend', key, owner, whole(lease)) === 1,
    finish: async (key, owner, value, ttl) => await run('finish', key, owner, value, whole(ttl)) === 1,
    release: async (key, owner) => { await run('release', key, owner) },
    drop: async (key, value, note) => await (note
      ? runOn('drop', [key, `${key}:lock`, note.key], value, note.value, whole(note.ttl))
      : run('drop', key, value)) === 1,
    note: async (key, value, ttl) => { await run('note', key, value, whole(ttl)) },
    count: async (key, window) => Number(await run('count', key, whole(window)))
  }
}
