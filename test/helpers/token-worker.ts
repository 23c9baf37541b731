/** One process of a fleet: asks for token and ticket when told, and says what it got. */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { Cluster, Redis } from 'ioredis'
import { createAccessToken } from '../../src/official-account/access-token.ts'
import type { WechatToken } from '../../src/official-account/access-token.ts'
import { createRedisStore } from '../../src/store/redis.ts'
import { patience } from './patience.ts'

export interface WorkerOrder {
  /** `get`: ticket and token; `request`: a call of WeChat's; `steady`: for `seconds`, tokens, and `waited` for any that was not at hand at once. */
  kind: 'get' | 'request' | 'steady'
  callers: number
  seconds?: number
  /** Another account than the configured one. */
  appId?: string
}

const { config, redisPort } = JSON.parse(process.argv[2] ?? '{}')
const redis = Array.isArray(redisPort) ? new Cluster(redisPort.map(port => ({ host: '127.0.0.1', port }))) : new Redis({ port: redisPort })
redis.on('error', () => {})
// Who loses a Redis Cluster's master is to notice it; else a busy machine is no reason to look after oneself.
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
