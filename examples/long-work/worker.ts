/** `REDIS_URL=… BOOKS=file:books.db npx tsx examples/long-work/worker.ts`: does the long work. Start as many workers as you need. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { openBooks } from './books.ts'
import { FULFIL, openQueue } from './queue.ts'

const { REDIS_URL = 'redis://127.0.0.1:6379', BOOKS = 'file:books.db', WORK_MS = '20000', LOCK_MS = '30000' } = process.env

// Required by BullMQ: retry Redis commands without limit.
const connection = new Redis(REDIS_URL, { maxRetriesPerRequest: null })
const books = await openBooks(BOOKS)
const queue = openQueue(connection)

const worker = new Worker<{ key: string }>(FULFIL, async ({ data: { key } }) => {
  const order = await books.unfulfilled(key)
  if (!order) return
  console.log(`started ${order.outTradeNo}`)
  // The long part. It may be interrupted anywhere and is then started again, so pass `key` to other services as idempotency key.
  await sleep(Number(WORK_MS))
  if (await books.fulfil(key)) console.log(`fulfilled ${order.outTradeNo}`)
}, {
  connection,
  concurrency: 10,
  // How long the jobs of a crashed worker are delayed, plus one check interval.
  lockDuration: Number(LOCK_MS),
  stalledInterval: Number(LOCK_MS)
})
worker.on('error', error => console.error(`worker: ${error.message}`))
worker.on('failed', (job, error) => console.error(`${job?.id} failed: ${error.message}`))

// Queue paid orders that have no job again (Redis lost its data, or all attempts failed). An existing job is not duplicated.
async function sweep (): Promise<void> {
  for (const key of await books.waiting()) await queue.ask(key)
}
await sweep()
setInterval(() => { sweep().catch((error: Error) => console.error(`sweep: ${error.message}`)) }, 60_000).unref()

process.once('SIGTERM', async () => {
  // Waits for running jobs.
  await worker.close()
  await queue.close()
  connection.disconnect()
  books.close()
})
console.log('working')
