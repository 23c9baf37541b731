/** One process of the accounts' benchmark: gets the tokens of all accounts, and reports how long that took. */
import { Redis } from 'ioredis'
import { createAccounts } from '../src/accounts.ts'
import { createRedisStore } from '../src/store/redis.ts'

const { api, redisPort, accounts: many, callers, max } = JSON.parse(process.argv[2]!) as { api: string, redisPort: number, accounts: number, callers: number, max: number }

const redis = new Redis(redisPort, '127.0.0.1')
const accounts = createAccounts({
  find: async id => ({ appId: `wx${id}`, appSecret: 'c0ffee00c0ffee00c0ffee00c0ffee42', endpoints: { api } }),
  max
}, { store: createRedisStore(redis) })

process.send!({ port: 0 })
process.on('message', async question => {
  const started = performance.now()
  const wrong = []
  for (let from = 0; from < many; from += 50) {
    await Promise.all(Array.from({ length: 50 * callers }, async (_one, at) => {
      const id = String(from + at % 50)
      const token = await (await accounts.get(id)).token.get()
      if (token !== `token-of-wx${id}`) wrong.push(id)
    }))
  }
  process.send!({ question, seconds: (performance.now() - started) / 1000, wrong: wrong.length, kept: accounts.status().kept })
})
