/** `npm run bench -- emulator`: the emulator's CPU time for a v2 order (placed, paid, notified), and whether it grows with the number of orders. Linux only: reads the CPU time from /proc. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Pool } from 'undici'
import type { EmulatorConfig } from '../plugins/emulator/server/emulator.ts'
import { signV2 } from '../src/pay/v2/sign.ts'
import { writeXml } from '../src/pay/v2/write-xml.ts'
import { orderNumber } from './sale-shop.ts'

const BATCH = 3000
const BATCHES = 13
const AT_ONCE = 32

const file = fileURLToPath(new URL('../dist/plugins/emulator/cli/cli.js', import.meta.url))
if (!existsSync(file)) throw new Error('build the package first: npm run build')
const emulator = spawn(process.execPath, [file, '--port', '0', '--time-scale', '0.01'], { stdio: ['ignore', 'pipe', 'inherit'] })
const [line] = await once(emulator.stdout, 'data')
const origin = /http:\/\/[\d.:]+/.exec(String(line))![0]
const { appId, merchant: { mchId, v2: { apiKey } } } = await (await fetch(`${origin}/_emulator/config`)).json() as EmulatorConfig

let told = 0
const merchant = createServer((request, reply) => {
  request.resume()
  request.on('end', () => {
    told++
    reply.end('<xml><return_code><![CDATA[SUCCESS]]></return_code></xml>')
  })
}).listen(0, '127.0.0.1')
await once(merchant, 'listening')
const notifyUrl = `http://127.0.0.1:${(merchant.address() as AddressInfo).port}/notify`
const pool = new Pool(origin, { connections: AT_ONCE })

async function purchase (number: string): Promise<void> {
  const fields = { appid: appId, mch_id: mchId, out_trade_no: number, body: '咖啡', total_fee: '1', spbill_create_ip: '127.0.0.1', trade_type: 'JSAPI', openid: 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o', notify_url: notifyUrl, nonce_str: number.toLowerCase(), sign_type: 'MD5' }
  const placed = await pool.request({ method: 'POST', path: '/pay/unifiedorder', headers: { 'content-type': 'text/xml' }, body: writeXml({ ...fields, sign: signV2(fields, apiKey, 'MD5') }) })
  if (!(await placed.body.text()).includes('prepay_id')) throw new Error('the order was not placed')
  const paid = await pool.request({ method: 'POST', path: `/_emulator/orders/${number}/pay` })
  await paid.body.text()
  if (paid.statusCode !== 200) throw new Error('the order was not paid')
}

/** CPU time so far, in milliseconds; Linux counts in hundredths of a second. */
function processor (): number {
  const columns = readFileSync(`/proc/${emulator.pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(columns[11]) + Number(columns[12])) * 10
}

const behind = (end: number) => told < end

let next = 0
for (let batch = 1; batch <= BATCHES; batch++) {
  const before = processor()
  const end = batch * BATCH
  await Promise.all(Array.from({ length: AT_ONCE }, async () => { while (next < end) await purchase(orderNumber(next++)) }))
  while (behind(end)) await sleep(20)
  const each = (processor() - before) / BATCH
  console.log(`  ${String(end).padStart(6)} orders kept: ${each.toFixed(2)} ms of processor each, ${(1000 / each).toFixed(0).padStart(5)} a second of one core`)
}
emulator.kill()
process.exit()
