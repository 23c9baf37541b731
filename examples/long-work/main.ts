/** `REDIS_URL=redis://127.0.0.1:6379 npx tsx examples/long-work/main.ts`: one payment, fulfilled by a worker that takes longer than WeChat waits. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer as createProbe } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { createEmulator } from '../../plugins/emulator/server/emulator.ts'
import { openBooks } from './books.ts'
import { openQueue } from './queue.ts'
import { createServer } from './server.ts'

const redisUrl = process.env.REDIS_URL ?? 'redis://127.0.0.1:6379'
/** Milliseconds; WeChat waits 5000. */
const WORK = process.env.WORK_MS ?? '7000'
/** Kills the first worker during its work, so that another one must finish it. */
const KILL = process.argv.includes('--kill')

const folder = mkdtempSync(join(tmpdir(), 'long-work-'))
const url = `file:${join(folder, 'books.db')}`
const [books, emulator, redis] = [await openBooks(url), await createEmulator(), new Redis(redisUrl)]
const queue = openQueue(redis)
// The notify_url needs the port before the server listens.
const port = await freePort()
const { appId, merchant, endpoints, http } = emulator.config
const app = await createServer({
  account: { appId, endpoints, http, merchant: { ...merchant, notifyUrl: `http://127.0.0.1:${port}/wechat/notify`, v2: { ...merchant.v2, signType: 'HMAC-SHA256' } } },
  redis,
  books,
  queue
})
await app.listen({ port })

/** Starts a worker, and resolves when it is ready. `started` and `fulfilled` resolve with its output. */
async function work (print: boolean) {
  const child = spawn(process.execPath, ['--import', 'tsx', fileURLToPath(new URL('worker.ts', import.meta.url))], {
    env: { ...process.env, REDIS_URL: redisUrl, BOOKS: url, WORK_MS: WORK, LOCK_MS: process.env.LOCK_MS ?? '2000' },
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const lines = createInterface(child.stdout)
  const printed = (word: string) => new Promise<void>(resolve => lines.on('line', line => { if (line.startsWith(word)) resolve() }))
  if (print) lines.on('line', line => console.log(`worker ${child.pid}: ${line}`))
  const started = printed('started')
  const fulfilled = printed('fulfilled')
  await printed('working')
  return { child, started, fulfilled }
}

const outTradeNo = `L${Date.now()}`
const first = await work(true)
await app.wechatPay.native({ outTradeNo, description: 'A book, printed for you', amount: 6800 })
await emulator.pay(outTradeNo)
const delivery = await emulator.waitForNotification(delivery => delivery.out_trade_no === outTradeNo)
console.log(`the notification was answered ${delivery.accepted ? 'SUCCESS' : 'FAIL'}; the work continues`)
await first.started
let worker = first
if (KILL) {
  first.child.kill('SIGKILL')
  console.log(`worker ${first.child.pid}: killed`)
  worker = await work(true)
}
await worker.fulfilled
const { started = 0, fulfilled = 0 } = await books.look(outTradeNo) ?? {}
console.log(`started ${started}, fulfilled ${fulfilled}`)

worker.child.kill('SIGTERM')
await app.close()
await queue.close()
redis.disconnect()
await emulator.close()
books.close()
rmSync(folder, { recursive: true })

async function freePort (): Promise<number> {
  return await new Promise(resolve => {
    const probe = createProbe().listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number }
      probe.close(() => resolve(port))
    })
  })
}
