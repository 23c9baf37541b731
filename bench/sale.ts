/** `npm run bench -- sale`: a flash sale, from POST /pay to the handled notification, two processes a shop, a fifth of the notifications doubled. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Pool } from 'undici'
import type { EmulatorConfig } from '../plugins/emulator/server/emulator.ts'
import { freePort, startRedis } from '../test/helpers/redis.ts'
import { startWorker } from './worker.ts'

const PURCHASES = 5000
const AT_ONCE = 200

const redis = await startRedis()
const shops = {
  'fastify-wechat-pay, handled once across processes': 'sale-ours.ts',
  'Express 5 with tenpay 2.1, once in each process': 'sale-tenpay.ts'
}
console.log(`${PURCHASES} purchases, ${AT_ONCE} at a time, two processes a shop, every fifth notification doubled`)
for (const [name, file] of Object.entries(shops)) {
  const emulator = spawn(process.execPath, ['--import', 'tsx', fileURLToPath(new URL('../plugins/emulator/cli/cli.ts', import.meta.url)), '--port', '0', '--time-scale', '0.01'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await once(emulator.stdout, 'data')
  const origin = /http:\/\/[\d.:]+/.exec(String(line))![0]
  const config = await (await fetch(`${origin}/_emulator/config`)).json() as EmulatorConfig
  await fetch(`${origin}/_emulator/chaos`, { method: 'POST', body: JSON.stringify({ seed: 1, notifications: { duplicate: 0.2 } }) })
  const ports = [await freePort(), await freePort()]
  const workers = await Promise.all(ports.map(port => startWorker(file, { config, redisPort: redis.port, port })))
  const pools = ports.map(port => new Pool(`http://127.0.0.1:${port}`, { connections: AT_ONCE / 2 }))
  const wechat = new Pool(origin, { connections: AT_ONCE })

  async function purchase (number: number): Promise<void> {
    const outTradeNo = `SALE${String(number).padStart(8, '0')}`
    const order = await pools[number % 2]!.request({ method: 'POST', path: '/wechat/pay', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ outTradeNo }) })
    const params = await order.body.json() as { package?: string }
    if (!params.package) throw new Error(`${name}: ${JSON.stringify(params)}`)
    const paid = await wechat.request({ method: 'POST', path: `/_emulator/orders/${outTradeNo}/pay` })
    await paid.body.text()
  }

  let next = 0
  const begun = performance.now()
  await Promise.all(Array.from({ length: AT_ONCE }, async () => { while (next < PURCHASES) await purchase(next++) }))
  let handled = 0
  while (handled < PURCHASES) {
    handled = (await Promise.all(workers.map(worker => worker.ask<{ paid: number }>('paid')))).reduce((sum, { paid }) => sum + paid, 0)
    if (handled < PURCHASES) await sleep(20)
  }
  const seconds = (performance.now() - begun) / 1000
  const cpu = (await Promise.all(workers.map(worker => worker.ask<{ cpu: number }>('cpu')))).reduce((sum, { cpu }) => sum + cpu, 0)
  console.log(`  ${name.padEnd(52)} ${(PURCHASES / seconds).toFixed(0).padStart(5)} purchases/s   ${(cpu / PURCHASES * 1000).toFixed(2)} ms of processor each`)
  for (const { child } of workers) child.kill()
  emulator.kill()
}
await redis.stop()
process.exit()
