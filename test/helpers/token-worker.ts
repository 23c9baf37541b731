/** One process of a fleet: asks for token and ticket when told, and says what it got. */
import { Redis } from 'ioredis'
import { createAccessToken } from '../../src/official-account/access-token.ts'
import { createRedisStore } from '../../src/store/redis.ts'

interface Order { callers: number, kind: 'get' | 'request' }

const { config, redisPort } = JSON.parse(process.argv[2] ?? '{}')
const redis = new Redis({ port: redisPort })
redis.on('error', () => {})
const token = createAccessToken({ ...config, store: createRedisStore(redis) })

process.on('message', async ({ callers, kind }: Order) => {
  const call = kind === 'get'
    ? async () => { await token.ticket(); return await token.get() }
    : async () => { await token.request('/cgi-bin/getcallbackip'); return 'ok' }
  const outcomes = await Promise.allSettled(Array.from({ length: callers }, call))
  const values = outcomes.map(outcome => outcome.status === 'fulfilled' ? outcome.value : `failed: ${(outcome.reason as Error).message}`)
  process.send?.({ values: [...new Set(values)] })
})
process.on('disconnect', () => process.exit())
process.send?.('ready')
