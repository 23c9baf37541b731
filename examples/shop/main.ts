/** The shop in production: configuration from the environment, SQLite, tokens in Redis, graceful shutdown. */
import closeWithGrace from 'close-with-grace'
import { Redis } from 'ioredis'
import { readConfig } from './config.ts'
import { createOrders } from './orders.ts'
import { createShop } from './shop.ts'

/** Shutdown time limit in milliseconds: a notification handler has 4.5 s. */
const GRACE = 8000

const { port, host, database, redisUrl, shop } = readConfig(process.env)
const redis = redisUrl === '' ? undefined : new Redis(redisUrl)
const { app } = await createShop({ ...shop, account: { ...shop.account, ...(redis && { redis }) }, orders: await createOrders(database), logger: true })

closeWithGrace({ delay: GRACE, logger: app.log }, async ({ err }) => {
  if (err) app.log.error({ err }, 'the shop closes after an error')
  await app.close()
  redis?.disconnect()
})
await app.listen({ port, host })
