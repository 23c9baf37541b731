/** Receives notifications: records the payment, queues its fulfilment, and then acknowledges. Takes a few milliseconds, however long the work is. */
import Fastify from 'fastify'
import type { Redis } from 'ioredis'
import { notify } from '../../plugins/notify.ts'
import { pay } from '../../plugins/pay.ts'
import type { PayPluginOptions } from '../../plugins/pay.ts'
import type { Books } from './books.ts'
import type { FulfilQueue } from './queue.ts'

export interface ServerOptions {
  account: Pick<PayPluginOptions, 'appId' | 'merchant' | 'endpoints' | 'http'>
  redis: Redis
  books: Books
  queue: FulfilQueue
}

export async function createServer ({ account, redis, books, queue }: ServerOptions) {
  const app = Fastify()
  await app.register(pay, { ...account, redis })
  await app.register(notify, {
    ...account,
    redis,
    // A real shop also sets `expected`: see examples/shop.
    async onPayment ({ outTradeNo, amount }, { idempotencyKey: key }) {
      await books.record({ key, outTradeNo, amount })
      // Throws if Redis is unavailable: WeChat then repeats the notification, and the payment is already recorded.
      await queue.ask(key)
    }
  })
  return app
}
