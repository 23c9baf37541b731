/** A worker process that fetches token and ticket on request, and reports them. */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { Cluster, Redis } from 'ioredis'
import { createAccessToken } from '../../src/official-account/access-token.ts'
import type { WechatToken } from '../../src/official-account/access-token.ts'
import { createRedisStore } from '../../src/store/redis.ts'
import { patience } from './patience.ts'

export interface WorkerOrder {
  /** `get`: token and ticket; `request`: a WeChat call; `steady`: reads tokens for `seconds`, and reports in `waited` how many were not available immediately. */
  kind: 'get' | 'request' | 'steady'
  callers: number
  seconds?: number
  /** Overrides the configured account. */
  appId?: string
}

const { config, redisPort } = JSON.parse(process.argv[2] ?? '{}')
const redis = Array.isArray(redisPort) ? new Cluster(redisPort.map(port => ({ host: '127.0.0.1', port }))) : new Redis({ port: redisPort })
redis.on('error', () => {})
// With a Redis Cluster, the loss of a master must be noticed; otherwise a busy machine must not trigger the fallback.
const store = Array.isArray(redisPort) ? createRedisStore(redis) : createRedisStore(redis, patience(2000))
const accounts = new Map<string, WechatToken>()

function account (appId: string): WechatToken {
  const token = accounts.get(appId) ?? createAccessToken({ ...config, http: { ...config.http, timeout: patience(config.http?.timeout ?? 5000) }, appId, store })
  accounts.set(appId, token)
  return token
}

const CALLS = {
  async get (token: WechatToken) {
    await token.ticket()
    return await token.get()
  },
  async request (token: WechatToken) {
    await token.request('/cgi-bin/getcallbackip')
    return 'ok'
  },
  async steady (token: WechatToken, seconds: number) {
    const seen = new Set([await token.get()])
    for (const end = performance.now() + seconds * 1000; performance.now() < end;) {
      const first = await Promise.race([token.get(), nextTurn('waited')])
      seen.add(first)
      await sleep(5)
    }
    return [...seen].join()
  }
}

process.on('message', async ({ callers, kind, seconds = 0, appId = config.appId }: WorkerOrder) => {
  const token = account(appId)
  const outcomes = await Promise.allSettled(Array.from({ length: callers }, () => CALLS[kind](token, seconds)))
  const values = outcomes.map(outcome => outcome.status === 'fulfilled' ? outcome.value : `failed: ${(outcome.reason as Error).message}`)
  process.send?.({ values: [...new Set(values)] })
})
process.on('disconnect', () => process.exit())
process.send?.('ready')
