/** A worker process that receives notifications: its handler records each start and success in Redis. */
import { setTimeout as sleep } from 'node:timers/promises'
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import { notify } from '../../plugins/notify.ts'

export interface NotifyWorkerOptions {
  redisPort: number
  /** The Redis with the handler's record, which no test stops. */
  bookPort: number
  options: object
  /** Duration of the handler in milliseconds. */
  takes: number
  /** When to kill the process: `in handler`: after the first start; `before reply`: after the first success. */
  dies?: 'in handler' | 'before reply'
}

const { redisPort, bookPort, options, takes, dies } = JSON.parse(process.argv[2] ?? '{}') as NotifyWorkerOptions
const redis = new Redis({ port: redisPort })
redis.on('error', () => {})
const book = new Redis({ port: bookPort })
// On a busy machine, loading the plugin can exceed Fastify's timeout.
const app = Fastify({ pluginTimeout: 0 })
await app.register(notify, {
  ...options as { appId: string, merchant: { mchId: string } },
  redis,
  async onPayment ({ transactionId }) {
    const runs = await book.incr(`begun:${transactionId}`)
    if (dies === 'in handler' && runs === 1) process.kill(process.pid, 'SIGKILL')
    await sleep(takes)
    await book.incr(`succeeded:${transactionId}`)
  }
})
// Fastify answers after the handler, so this is between success and reply.
if (dies === 'before reply') {
  app.addHook('onSend', async (_request, reply) => {
    if (reply.statusCode < 300 && await book.incr('died') === 1) process.kill(process.pid, 'SIGKILL')
  })
}
process.once('SIGTERM', () => {
  app.close().then(() => process.exit(0), () => process.exit(1))
})
await app.listen({ port: 0, host: '127.0.0.1' })
process.send?.({ port: (app.server.address() as { port: number }).port })
