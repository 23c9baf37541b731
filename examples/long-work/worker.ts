/** `REDIS_URL=… BOOKS=file:books.db npx tsx examples/long-work/worker.ts`: does the long work, as many of these as you like. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { openBooks } from './books.ts'
import { FULFIL, openQueue } from './queue.ts'

const { REDIS_URL = 'redis://127.0.0.1:6379', BOOKS = 'file:books.db', WORK_MS = '20000', LOCK_MS = '30000' } = process.env

// BullMQ waits for Redis as long as it takes.
const connection = new Redis(REDIS_URL, { maxRetriesPerRequest: null })
const books = await openBooks(BOOKS)
const queue = openQueue(connection)

const worker = new Worker<{ key: string }>(FULFIL, async ({ data: { key } }) => {
  const order = await books.unfulfilled(key)
  if (!order) return
  console.log(`begun ${order.outTradeNo}`)
  // The long part. It may be cut at any point and is begun again then: calls to others carry `key`, so that they can tell.
  await sleep(Number(WORK_MS))
  if (await books.fulfil(key)) console.log(`fulfilled ${order.outTradeNo}`)
}, {
  connection,
  concurrency: 10,
  // A worker that dies holds its jobs up no longer than this and a look more.
  lockDuration: Number(LOCK_MS),
  stalledInterval: Number(LOCK_MS)
})
worker.on('error', error => console.error(`worker: ${error.message}`))
worker.on('failed', (job, error) => console.error(`${job?.id} failed: ${error.message}`))

// What is paid but in no queue (Redis lost its memory, all attempts failed) is asked for again. A job that is there stays the only one.
async function sweep (): Promise<void> {
  for (const key of await books.waiting()) await queue.ask(key)
}
await sweep()
setInterval(() => { sweep().catch((error: Error) => console.error(`sweep: ${error.message}`)) }, 60_000).unref()

process.once('SIGTERM', async () => {
  // Waits for the jobs that are being done.
  await worker.close()
  await queue.close()
  connection.disconnect()
  books.close()
})
console.log('working')
