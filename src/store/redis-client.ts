/** Redis clients that the application may pass, recognized by their methods: neither package is imported. */
import { createHash } from 'node:crypto'
import { WechatConfigError } from '../errors.ts'

/** The methods used of an ioredis (or iovalkey) client or cluster, such as `app.redis` of @fastify/redis. */
export interface IoredisClient {
  evalsha (sha1: string, keyCount: number, ...args: string[]): Promise<unknown>
  eval (script: string, keyCount: number, ...args: string[]): Promise<unknown>
}

/** The part of a client's socket that is used here. */
interface Corkable { cork (): void, uncork (): void }

interface ScriptArguments { keys: string[], arguments: string[] }

/** The methods used of a connected client, cluster, pool or sentinel of the package `redis` (node-redis 4 or later). */
export interface NodeRedisClient {
  evalSha (sha1: string, options: ScriptArguments): Promise<unknown>
  eval (script: string, options: ScriptArguments): Promise<unknown>
}

export type RedisClient = IoredisClient | NodeRedisClient

export interface Script { source: string, sha1: string }

export const script = (source: string): Script => ({ source, sha1: createHash('sha1').update(source).digest('hex') })

export type RunScript = (script: Script, keys: string[], args: string[]) => Promise<unknown>

/**
 * Runs a script by its digest; sends the script only to a server that does not have it yet.
 * @throws WechatConfigError if `redis` is not a client
 */
export function scriptRunner (redis: RedisClient): RunScript {
  const { byDigest, bySource } = callsOf(redis)
  return async (script, keys, args) => {
    try {
      return await byDigest(script.sha1, keys, args)
    } catch (error) {
      if (!isUnknownScript(error)) throw error
      return await bySource(script.source, keys, args)
    }
  }
}

type Call = (script: string, keys: string[], args: string[]) => Promise<unknown>

/** Sockets that write at the end of this turn of the event loop. */
const corked = new WeakSet<Corkable>()

/**
 * ioredis writes each command separately. This sends all commands of one turn of the event loop in one write, because the
 * system call costs more than the rest of a command. node-redis does that itself. A cluster client has no socket of its own
 * and is not changed.
 */
function writeTogether (redis: IoredisClient): void {
  const { stream } = redis as { stream?: Partial<Corkable> | null }
  if (typeof stream?.cork !== 'function' || typeof stream.uncork !== 'function' || corked.has(stream as Corkable)) return
  const socket = stream as Corkable
  corked.add(socket)
  socket.cork()
  setImmediate(() => {
    corked.delete(socket)
    socket.uncork()
  })
}

function callsOf (redis: unknown): { byDigest: Call, bySource: Call } {
  if (isNodeRedis(redis)) {
    return {
      byDigest: (sha1, keys, args) => redis.evalSha(sha1, { keys, arguments: args }),
      bySource: (source, keys, args) => redis.eval(source, { keys, arguments: args })
    }
  }
  if (isIoredis(redis)) {
    return {
      byDigest (sha1, keys, args) {
        writeTogether(redis)
        return redis.evalsha(sha1, keys.length, ...keys, ...args)
      },
      bySource: (source, keys, args) => redis.eval(source, keys.length, ...keys, ...args)
    }
  }
  throw new WechatConfigError('redis', `must be a client of ioredis or of the package redis (node-redis), but is ${described(redis)}`)
}

/** HTTP-based clients have these methods with another signature; they are recognized because they are not event emitters. */
const offers = (redis: unknown, ...methods: string[]) =>
  typeof redis === 'object' && redis !== null && ['on', 'eval', ...methods].every(name => typeof (redis as Record<string, unknown>)[name] === 'function')

const isNodeRedis = (redis: unknown): redis is NodeRedisClient => offers(redis, 'evalSha')
const isIoredis = (redis: unknown): redis is IoredisClient => offers(redis, 'evalsha')

function described (redis: unknown): string {
  if (typeof redis === 'string') return 'a string: create a client with the URL, such as new Redis(url)'
  if (typeof redis === 'function') return 'a function: call it and pass the client'
  if (typeof redis !== 'object' || redis === null) return redis === null ? 'null: leave the option out to run without Redis' : `a ${typeof redis}`
  if (typeof (redis as { then?: unknown }).then === 'function') return 'a promise: await it'
  const names = Object.keys(redis).filter(name => [isIoredis, isNodeRedis].some(is => is((redis as Record<string, unknown>)[name])))
  return names.length > 0
    ? `an object with named clients (@fastify/redis with namespace): pass one of them, app.redis.${names.join(' or app.redis.')}`
    : 'an object without eval and evalsha (or evalSha)'
}

const isUnknownScript = (error: unknown) => error instanceof Error && error.message.startsWith('NOSCRIPT')
