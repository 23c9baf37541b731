import { WechatError } from '../errors.ts'
import { script, scriptRunner } from './redis-client.ts'
import type { RedisClient, Script } from './redis-client.ts'
import { createFormattedStore, plain } from './formatted.ts'
import type { Store } from './store.ts'

export type { RedisClient } from './redis-client.ts'

/** Milliseconds a command may take: the clients themselves would queue it for as long as Redis is unavailable. */
const TIMEOUT = 2000

// Each script gets the same two keys: the value and, in the same hash slot, its lock.
// A value of another type or without expiry is not ours: it counts as missing, and the next write overwrites it.
const READ = `
local ok, value = pcall(redis.call, 'GET', KEYS[1])
local ttl = redis.call('PTTL', KEYS[1])
if not ok or type(value) ~= 'string' or ttl <= 0 then value = false end
`
const OWNS = `
local ok, holder = pcall(redis.call, 'GET', KEYS[2])
if not ok or holder ~= ARGV[1] then return 0 end
`

const READ_IT = script(`${READ} if value then return {value, ttl} end return false`)
// A lock of another type or without expiry is not ours either; one with a longer TTL than the lease is shortened to it.
const TAKE = script(`${READ}
  if value and ttl > tonumber(ARGV[3]) then return {value, ttl} end
  if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
  local left = redis.call('PTTL', KEYS[2])
  if left < 0 or redis.call('TYPE', KEYS[2]).ok ~= 'string' then
    redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
    return 1
  end
  if left > tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[2], ARGV[2]) end
  return 0`)
const EXTEND = script(`${OWNS} return redis.call('PEXPIRE', KEYS[2], ARGV[2])`)
const FINISH = script(`${OWNS} redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) redis.call('DEL', KEYS[2]) return 1`)
const RELEASE = script(`${OWNS} return redis.call('DEL', KEYS[2])`)
const DROP = script(`${READ}
  if value ~= ARGV[1] then return 0 end
  redis.call('DEL', KEYS[1])
  if KEYS[3] then redis.call('SET', KEYS[3], ARGV[2], 'PX', ARGV[3]) end
  return 1`)
const NOTE = script('redis.call(\'SET\', KEYS[1], ARGV[1], \'PX\', ARGV[2]) return 1')
const COUNT = script(`
  local ok, n = pcall(redis.call, 'INCR', KEYS[1])
  local left = redis.call('PTTL', KEYS[1])
  if ok and left > 0 and left <= tonumber(ARGV[1]) then return n end
  redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
  return 1`)

const ROOTS = /\b(?:READONLY|OOM|NOPERM|MISCONF|CLUSTERDOWN|NOREPLICAS)\b/

function storeError (error: unknown): WechatError {
  const { message, name, constructor } = error instanceof Error ? error : new Error()
  // Redis puts commands and their arguments, including tokens, into its errors. Keep only the error code, which Redis 6 hides in the text.
  const word = ROOTS.exec(message) ?? /^(?:[A-Z]{3,}|no answer in time)/.exec(message)
  const reason = word?.[0] ?? (name === 'Error' ? constructor.name : name)
  return new WechatError('WECHAT_STORE', `the shared store failed (${reason})`, { statusCode: 503, fault: 'network', retryable: true })
}

/** One promise and one timer per call: Promise.race and finally would cost ten times as much. */
function inTime<T> (answer: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(refuseLate, ms, reject)
    answer.then(
      value => {
        clearTimeout(timer)
        resolve(value)
      },
      (error: unknown) => {
        clearTimeout(timer)
        reject(storeError(error))
      }
    )
  })
}

const refuseLate = (reject: (error: Error) => void) => { reject(storeError(new Error('no answer in time'))) }

/**
 * Shared by any number of processes and machines, with the application's own client. Only Redis measures lifetimes.
 * Every method throws WechatError `WECHAT_STORE` when Redis does not answer in time or refuses.
 * @throws WechatConfigError if `redis` is not a client
 */
export function createRedisStore (redis: RedisClient, timeout = TIMEOUT): Store {
  const runScript = scriptRunner(redis)
  const runOn = (script: Script, keys: string[], args: string[]) => inTime(runScript(script, keys, args), timeout)
  const run = (script: Script, key: string, ...args: string[]) => runOn(script, [key, `${key}:lock`], args)
  // Some clients are configured to return numbers as strings, or strings as bytes.
  const found = ([value, ttl]: unknown[]) => ({ value: String(value), ttl: Number(ttl) })
  const isYes = (reply: unknown) => Number(reply) === 1
  // PX takes whole milliseconds, at least one.
  const whole = (ms: number) => String(Math.max(1, Math.floor(ms)))

  return createFormattedStore({
    async read (key) {
      const reply = await run(READ_IT, key)
      return Array.isArray(reply) ? found(reply) : undefined
    },
    async acquire (key, owner, lease, minTtl = 0) {
      const reply = await run(TAKE, key, owner, whole(lease), String(Math.floor(minTtl)))
      if (Array.isArray(reply)) return { state: 'done', ...found(reply) }
      return { state: isYes(reply) ? 'acquired' : 'locked' }
    },
    renew: async (key, owner, lease) => isYes(await run(EXTEND, key, owner, whole(lease))),
    complete: async (key, owner, value, ttl) => isYes(await run(FINISH, key, owner, value, whole(ttl))),
    release: async (key, owner) => { await run(RELEASE, key, owner) },
    delete: async (key, value, tombstone) => isYes(await (tombstone
      ? runOn(DROP, [key, `${key}:lock`, tombstone.key], [value, tombstone.value, whole(tombstone.ttl)])
      : run(DROP, key, value))),
    set: async (key, value, ttl) => { await run(NOTE, key, value, whole(ttl)) },
    increment: async (key, window) => Number(await run(COUNT, key, whole(window)))
  }, plain)
}
