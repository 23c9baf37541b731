/**
 * What an order costs the emulator, placed, paid and notified, and whether it slows down as they grow many. Linux only: it
 * reads the emulator's processor time from /proc.
 * `npm run bench -- emulator`: v2; `emulator-many`: 100,000 of v2, then the dashboard's search; `emulator-v3`: v3.
 */
import { createPrivateKey, randomUUID, sign } from 'node:crypto'
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

const [variant = ''] = process.argv.slice(2)
const isV3 = variant === 'v3'
const BATCH = isV3 ? 1000 : variant === 'many' ? 10_000 : 3000
const BATCHES = isV3 ? 8 : variant === 'many' ? 10 : 13
const AT_ONCE = 32

const file = fileURLToPath(new URL('../dist/plugins/emulator/cli/cli.js', import.meta.url))
if (!existsSync(file)) throw new Error('build the package first: npm run build')
const emulator = spawn(process.execPath, [file, '--port', '0', '--time-scale', '0.01'], { stdio: ['ignore', 'pipe', 'inherit'] })
const [line] = await once(emulator.stdout, 'data')
const origin = /http:\/\/[\d.:]+/.exec(String(line))![0]
const { appId, merchant: { mchId, v2: { apiKey }, v3 } } = await (await fetch(`${origin}/_emulator/config`)).json() as EmulatorConfig

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
const pool = new Pool(origin, { connections: AT_ONCE, keepAliveTimeoutThreshold: 6000 })

const OPENID = 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o'
const merchantKey = createPrivateKey(v3.privateKey)

function placeV3 (number: string) {
  const path = '/v3/pay/transactions/jsapi'
  const body = JSON.stringify({ appid: appId, mchid: mchId, description: '咖啡', out_trade_no: number, notify_url: notifyUrl, amount: { total: 1, currency: 'CNY' }, payer: { openid: OPENID } })
  const timestamp = String(Math.floor(Date.now() / 1000))
  const nonce = randomUUID().replaceAll('-', '')
  const signature = sign('sha256', Buffer.from(`POST\n${path}\n${timestamp}\n${nonce}\n${body}\n`), merchantKey).toString('base64')
  const authorization = `WECHATPAY2-SHA256-RSA2048 mchid="${mchId}",nonce_str="${nonce}",signature="${signature}",timestamp="${timestamp}",serial_no="${v3.serialNo}"`
  return pool.request({ method: 'POST', path, headers: { 'content-type': 'application/json', accept: 'application/json', authorization }, body })
}

function placeV2 (number: string) {
  const fields = { appid: appId, mch_id: mchId, out_trade_no: number, body: '咖啡', total_fee: '1', spbill_create_ip: '127.0.0.1', trade_type: 'JSAPI', openid: OPENID, notify_url: notifyUrl, nonce_str: number.toLowerCase(), sign_type: 'MD5' }
  return pool.request({ method: 'POST', path: '/pay/unifiedorder', headers: { 'content-type': 'text/xml' }, body: writeXml({ ...fields, sign: signV2(fields, apiKey, 'MD5') }) })
}

/** Once more where the emulator closed an idle connection in the same moment: on a busy machine this driver may stand still for seconds. */
async function again<T> (work: () => Promise<T>): Promise<T> {
  return await work().catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ECONNRESET' && error.code !== 'UND_ERR_SOCKET') throw error
    return await work()
  })
}

async function purchase (number: string): Promise<void> {
  const placed = await again(() => (isV3 ? placeV3 : placeV2)(number))
  if (!(await placed.body.text()).includes('prepay_id')) throw new Error('the order was not placed')
  const paid = await again(() => pool.request({ method: 'POST', path: `/_emulator/orders/${number}/pay` }))
  await paid.body.text()
  // 409: it had been paid, and only the answer was lost.
  if (paid.statusCode !== 200 && paid.statusCode !== 409) throw new Error('the order was not paid')
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
  console.log(`  ${String(end).padStart(6)} orders kept: ${each.toFixed(2)} ms of CPU each, ${(1000 / each).toFixed(0).padStart(5)} per second and core`)
}

// The dashboard's search: first and second time, for words that are rare, common and nowhere.
if (variant === 'many') {
  const times = 5
  for (const query of ['', `search=${orderNumber(12_345)}`, `search=${orderNumber(12_345)}`, 'search=sale', 'search=nowhere%20to%20be%20found', 'state=SUCCESS']) {
    const before = processor()
    for (let time = 0; time < times; time++) await (await pool.request({ method: 'GET', path: `/_emulator/records/orders?${query}` })).body.dump()
    console.log(`  records/orders?${query.padEnd(34)} ${((processor() - before) / times).toFixed(0).padStart(4)} ms of CPU each`)
  }
}
emulator.kill()
process.exit()
