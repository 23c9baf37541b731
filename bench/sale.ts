/**
 * `npm run bench -- sale`: a flash sale, from POST /pay to the handled notification, two processes a shop, a fifth of the
 * notifications duplicated. The shops take turns, so that other load on the machine affects all of them equally. Their
 * CPU time is the result: purchases per second are limited by the emulator that they share.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Pool } from 'undici'
import type { EmulatorConfig } from '../plugins/emulator/server/emulator.ts'
import { freePort, startRedis } from '../test/helpers/redis.ts'
import { median } from './measure.ts'
import { orderNumber } from './sale-shop.ts'
import { startWorker } from './worker.ts'

const ROUND = 1000
/** The first rounds warm up the servers: V8 still compiles what the first ten thousand purchases of a process run. */
const ROUNDS = 41
const WARM_UP = 20
const AT_ONCE = 100
const SHOPS = {
  'bare Fastify, undici and Redis (the floor)': 'sale-floor.ts',
  'fastify-wechat-pay, handled once across processes': 'sale-ours.ts',
  'Express 5 with tenpay 2.1, once in each process': 'sale-tenpay.ts'
}

const emulatorFile = fileURLToPath(new URL('../dist/plugins/emulator/cli/cli.js', import.meta.url))
if (!existsSync(emulatorFile)) throw new Error('build the package first: npm run build')
const redis = await startRedis()
const emulator = spawn(process.execPath, [emulatorFile, '--port', '0', '--time-scale', '0.01'], { stdio: ['ignore', 'pipe', 'inherit'] })
// Nothing of it outlives a failure; the shops see that the driver is gone.
process.on('exit', () => {
  emulator.kill()
  redis.signal('SIGKILL')
})
const [line] = await once(emulator.stdout, 'data')
const origin = /http:\/\/[\d.:]+/.exec(String(line))![0]
const config = await (await fetch(`${origin}/_emulator/config`)).json() as EmulatorConfig
await fetch(`${origin}/_emulator/chaos`, { method: 'POST', body: JSON.stringify({ seed: 1, notifications: { duplicate: 0.2 } }) })
const wechat = new Pool(origin, { connections: AT_ONCE })

const count = ROUND * ROUNDS
const shops = await Promise.all(Object.entries(SHOPS).map(async ([name, file], at) => {
  const firstNumber = at * count
  const workers = await Promise.all([await freePort(), await freePort()].map(port => startWorker(file, { config, redisPort: redis.port, port, firstNumber, count })))
  const pools = workers.map(({ port }) => new Pool(`http://127.0.0.1:${port}`, { connections: AT_ONCE / 2 }))
  const told = async () => (await Promise.all(workers.map(worker => worker.ask<{ paid: number, cpu: number }>('so far')))).reduce((sum, one) => ({ paid: sum.paid + one.paid, cpu: sum.cpu + one.cpu }))
  return { name, workers, pools, told, firstNumber, each: [] as number[], perSecond: [] as number[] }
}))

async function purchase ({ name, pools }: typeof shops[number], number: number): Promise<void> {
  const outTradeNo = orderNumber(number)
  const order = await pools[number % 2]!.request({ method: 'POST', path: '/wechat/pay', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ outTradeNo }) })
  const params = await order.body.json() as { package?: string }
  if (!params.package) throw new Error(`${name}: ${JSON.stringify(params)}`)
  const paid = await wechat.request({ method: 'POST', path: `/_emulator/orders/${outTradeNo}/pay` })
  await paid.body.text()
  if (paid.statusCode !== 200) throw new Error(`${name}: the order could not be paid`)
}

async function round (shop: typeof shops[number], at: number): Promise<void> {
  const before = await shop.told()
  let next = shop.firstNumber + at * ROUND
  const end = next + ROUND
  const started = performance.now()
  await Promise.all(Array.from({ length: AT_ONCE }, async () => { while (next < end) await purchase(shop, next++) }))
  let now = await shop.told()
  for (const patience = performance.now() + 60_000; now.paid < before.paid + ROUND; now = await shop.told()) {
    if (performance.now() > patience) throw new Error(`${shop.name}: ${before.paid + ROUND - now.paid} payments were never handled`)
    await sleep(20)
  }
  // Duplicates still being delivered belong to this round.
  await sleep(100)
  const { cpu } = await shop.told()
  if (at < WARM_UP) return
  shop.each.push((cpu - before.cpu) / ROUND * 1000)
  shop.perSecond.push(ROUND / (performance.now() - started) * 1000)
}

console.log(`${ROUNDS - WARM_UP} rounds of ${ROUND} purchases, ${AT_ONCE} at a time, two processes a shop, every fifth notification doubled`)
for (let at = 0; at < ROUNDS; at++) for (let turn = 0; turn < shops.length; turn++) await round(shops[(turn + at) % shops.length]!, at)
const floor = median(shops[0]!.each)
for (const { name, each, perSecond } of shops) {
  console.log(`  ${name.padEnd(52)} ${median(each).toFixed(2)} ms of CPU each   × ${(median(each) / floor).toFixed(2)}   ${median(perSecond).toFixed(0).padStart(5)} purchases/s`)
}
for (const { workers } of shops) for (const { child } of workers) child.kill()
emulator.kill()
await redis.stop()
process.exit()
