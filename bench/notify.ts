/**
 * `npm run bench -- notify`: valid, duplicate and forged notifications side by side to two processes with Redis.
 * `npm run bench -- notify-soak`: the same with kill -9 of a process every few seconds and a restart of Redis (some minutes).
 */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Pool } from 'undici'
import { payment, signed } from '../test/helpers/notification.ts'
import { freePort, startRedis } from '../test/helpers/redis.ts'
import { startWorker } from './worker.ts'

const soak = process.argv[2] === 'soak'
const PAYMENTS = soak ? 10_000 : 5_000
const AT_ONCE = 100

// The append-only file keeps the record of handled notifications across restarts of Redis.
const redis = await startRedis(['--dir', mkdtempSync(join(tmpdir(), 'bench-')), '--appendonly', 'yes', '--appendfsync', 'everysec'])
const books = await startRedis()
const book = books.client()
const ports = [await freePort(), await freePort()]
const start = (at: number) => startWorker('notify-worker.ts', { redisPort: redis.port, bookPort: books.port, port: ports[at] })
const workers = await Promise.all([start(0), start(1)])
const pools = ports.map(port => new Pool(`http://127.0.0.1:${port}`, { connections: AT_ONCE / 2 }))

async function deliver (body: string, to: number): Promise<'accepted' | 'refused' | 'lost'> {
  try {
    const { body: answer, statusCode } = await pools[to % 2]!.request({ method: 'POST', path: '/wechat/notify', headers: { 'content-type': 'text/xml' }, body, signal: AbortSignal.timeout(5000) })
    const text = await answer.text()
    return statusCode === 200 && text.includes('SUCCESS') ? 'accepted' : 'refused'
  } catch {
    return 'lost'
  }
}

const idOf = (number: number) => `42000${String(number).padStart(23, '0')}`
const seen = { accepted: 0, refused: 0, lost: 0, forgedAccepted: 0, deliveries: 0 }

/** Like WeChat: repeated until accepted, sometimes twice at once, with forgeries in between. */
async function onePayment (number: number): Promise<void> {
  const document = signed(payment({ transaction_id: idOf(number), out_trade_no: `B${number}` }))
  if (number % 5 === 0 && await deliver(document.replace(/<total_fee><!\[CDATA\[\d+/, '<total_fee><![CDATA[1'), number) === 'accepted') seen.forgedAccepted++
  for (let tries = 0; tries < 200; tries++) {
    const outcomes = await Promise.all([deliver(document, number + tries), ...number % 5 === 1 ? [deliver(document, number + tries + 1)] : []])
    seen.deliveries += outcomes.length
    for (const outcome of outcomes) seen[outcome]++
    if (outcomes.includes('accepted')) return
    await sleep(200)
  }
  throw new Error(`payment ${number} was never accepted`)
}

const kill = { on: soak }
const killer = (async () => {
  for (let at = 0; kill.on; at++) {
    await sleep(3000)
    if (!kill.on) return
    workers[at % 2]!.child.kill('SIGKILL')
    if (at === 1) {
      await redis.kill()
      await sleep(1000)
      await redis.start()
    }
    workers[at % 2] = await start(at % 2)
  }
})()

let next = 0
const started = performance.now()
await Promise.all(Array.from({ length: AT_ONCE }, async () => {
  while (next < PAYMENTS) {
    await onePayment(next++)
    // Slow enough that some processes are killed during the run.
    if (soak) await sleep(150)
  }
}))
const seconds = (performance.now() - started) / 1000
kill.on = false
await killer
const [paid, runs] = [await book.scard('paid'), Number(await book.get('runs'))]
console.log(`${PAYMENTS} payments, ${seen.deliveries} deliveries and ${PAYMENTS / 5} forgeries in ${seconds.toFixed(1)} s: ${(seen.deliveries / seconds).toFixed(0)} deliveries per second`)
console.log(`  handled: ${paid} payments in ${runs} runs of the handler (${PAYMENTS - paid} lost, ${runs - paid} run again); refused ${seen.refused}, lost on the way ${seen.lost}, forgeries accepted: ${seen.forgedAccepted}`)
if (paid !== PAYMENTS || seen.forgedAccepted > 0 || (!soak && runs !== PAYMENTS)) throw new Error('a payment was lost or doubled, or a forgery accepted')
for (const worker of workers) console.log(`  event loop delay p99 of a process: ${(await worker.ask<{ p99: number }>('health')).p99.toFixed(1)} ms`)
for (const { child } of workers) child.kill()
await redis.stop()
await books.stop()
process.exit()
