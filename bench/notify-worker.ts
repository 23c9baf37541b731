/** One of the processes that receive notifications: the handler records each payment once, by its idempotency key. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import { notify } from '../plugins/notify.ts'
import { appId, merchant } from '../test/helpers/notification.ts'

const { redisPort, bookPort, port } = JSON.parse(process.argv[2] ?? '{}') as { redisPort: number, bookPort: number, port: number }
const redis = new Redis({ port: redisPort })
redis.on('error', () => {})
const book = new Redis({ port: bookPort })
const app = Fastify()
await app.register(notify, {
  appId,
  merchant,
  redis,
  async onPayment (_payment, { idempotencyKey }) {
    await book.multi().incr('runs').sadd('paid', idempotencyKey).exec()
  }
})
await app.listen({ port, host: '127.0.0.1' })
const delay = monitorEventLoopDelay({ resolution: 5 })
delay.enable()
process.on('message', question => process.send?.({ question, p99: delay.percentile(99) / 1e6 }))
process.send?.({ port: (app.server.address() as { port: number }).port })
