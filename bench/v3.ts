/**
 * `npm run bench -- v3`: places 200 orders at once, and verifies and decrypts 200 notifications at once: the time, and
 * how long the event loop, and with it every other route, is blocked.
 */
import { spawn } from 'node:child_process'
import { createPublicKey } from 'node:crypto'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import { testNotifications } from '../plugins/emulator/server/emulator.ts'
import type { EmulatorConfig, TestMessage } from '../plugins/emulator/server/emulator.ts'
import { checkMerchant } from '../src/pay/merchant.ts'
import { createPay } from '../src/pay/pay.ts'
import { readV3Notification } from '../src/pay/v3/notification.ts'
import { OPENID } from '../test/helpers/account.ts'
import { median } from './measure.ts'

interface NodeV3Client {
  createHttp (service: object): void
  transactions_jsapi (params: object): Promise<{ status: number }>
  verifySign (message: object): Promise<boolean>
  decipher_gcm (ciphertext: string, aad: string, nonce: string, key: string): { out_trade_no: string }
}
interface AxiosClient { chain (path: string): { post (data: object): Promise<{ data: { prepay_id?: string } }> } }
interface Http { get (url: string, headers: object): Promise<object>, post (url: string, params: object, headers: object): Promise<object> }

const require = createRequire(import.meta.url)
const NodeV3 = require('wechatpay-node-v3') as { new (config: object): NodeV3Client, certificates: Record<string, string> }
const { PayRequest } = require('wechatpay-node-v3/dist/lib/pay-request') as { PayRequest: new () => Http }
interface AxiosPlugin {
  Wechatpay: new (config: object) => AxiosClient
  Rsa: { sign (message: string, key: unknown): string, verify (message: string, signature: string, key: unknown): boolean }
  Formatter: { request (...parts: string[]): string, response (...parts: string[]): string }
  Aes: { AesGcm: { decrypt (ciphertext: string, key: string, iv: string, aad: string): string } }
}
const { Wechatpay, Rsa, Formatter, Aes } = require('wechatpay-axios-plugin') as AxiosPlugin

// WeChat runs in a separate process, so that its CPU time is not counted.
const emulator = spawn(process.execPath, ['--import', 'tsx', fileURLToPath(new URL('../plugins/emulator/cli/cli.ts', import.meta.url)), '--port', '0'], { stdio: ['ignore', 'pipe', 'inherit'] })
const [line] = await once(emulator.stdout, 'data')
const origin = /http:\/\/[\d.:]+/.exec(String(line))![0]
const config = await (await fetch(`${origin}/_emulator/config`)).json() as EmulatorConfig
const { appId, merchant: { mchId, v3 } } = config
const notifyUrl = 'http://127.0.0.1:1/notify'

const pay = createPay({ appId, merchant: { mchId, notifyUrl, v3 }, endpoints: { pay: origin }, http: { timeout: 60_000, retries: 0 } })

const nodeV3 = new NodeV3({ appid: appId, mchid: mchId, serial_no: v3.serialNo, publicKey: Buffer.from('unused'), privateKey: Buffer.from(v3.privateKey), key: v3.apiV3Key })
const http = new PayRequest()
const here = (url: string) => url.replace('https://api.mch.weixin.qq.com', origin)
nodeV3.createHttp({ get: (url: string, headers: object) => http.get(here(url), headers), post: (url: string, params: object, headers: object) => http.post(here(url), params, headers) })

const axios = new Wechatpay({ mchid: mchId, serial: v3.serialNo, privateKey: v3.privateKey, certs: { [v3.publicKeyId!]: createPublicKey(v3.publicKey!) }, baseURL: `${origin}/`, headers: { 'Wechatpay-Serial': v3.publicKeyId } })

let number = 0
const order = () => ({ outTradeNo: `BV3${String(++number).padStart(10, '0')}`, description: '咖啡', amount: 100, openid: OPENID })
const body = () => {
  const { outTradeNo, description, amount, openid } = order()
  return { description, out_trade_no: outTradeNo, notify_url: notifyUrl, amount: { total: amount, currency: 'CNY' }, payer: { openid } }
}

/** Each competitor places an order and signs the page's parameters. */
const competitors: Record<string, () => Promise<unknown>> = {
  'fastify-wechat-pay, answers verified': async () => await pay.jsapi(order()),
  'wechatpay-node-v3 2.2, answers not verified': async () => {
    const { status } = await nodeV3.transactions_jsapi(body())
    if (status !== 200) throw new Error(`answered ${status}`)
  },
  'wechatpay-axios-plugin 0.9, answers verified': async () => {
    const { data } = await axios.chain('v3/pay/transactions/jsapi').post({ appid: appId, mchid: mchId, ...body() })
    Rsa.sign(Formatter.request(appId, '1', 'n', `prepay_id=${data.prepay_id}`), v3.privateKey)
  }
}

const AT_ONCE = 200
const ROUNDS = 7

/** `warmUp`: rounds that are not counted. */
async function race (title: string, competitors: Record<string, () => Promise<unknown>>, warmUp = 1): Promise<void> {
  const seen = new Map(Object.keys(competitors).map(name => [name, { perSecond: [] as number[], p99: [] as number[], max: [] as number[] }]))
  for (const call of Object.values(competitors)) {
    for (let round = 0; round < warmUp; round++) await Promise.all(Array.from({ length: AT_ONCE }, call))
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, call] of Object.entries(competitors)) {
      const delay = monitorEventLoopDelay({ resolution: 1 })
      delay.enable()
      // monitorEventLoopDelay measures from its first tick on.
      await new Promise(resolve => setTimeout(resolve, 4))
      const started = performance.now()
      await Promise.all(Array.from({ length: AT_ONCE }, call))
      const seconds = (performance.now() - started) / 1000
      // A block at the end is only recorded at the next tick.
      await new Promise(resolve => setTimeout(resolve, 5))
      delay.disable()
      const { perSecond, p99, max } = seen.get(name)!
      perSecond.push(AT_ONCE / seconds)
      p99.push(delay.percentile(99) / 1e6)
      max.push(delay.max / 1e6)
      await new Promise(resolve => setTimeout(resolve, 200))
    }
  }
  console.log(`${AT_ONCE} ${title} at once, medians of ${ROUNDS} rounds`)
  console.log(`  ${''.padEnd(48)} ${'per second'.padStart(10)} ${'delay p99'.padStart(12)} ${'longest'.padStart(12)}`)
  for (const [name, { perSecond, p99, max }] of seen) {
    console.log(`  ${name.padEnd(48)} ${median(perSecond).toFixed(0).padStart(10)} ${`${median(p99).toFixed(1)} ms`.padStart(12)} ${`${median(max).toFixed(1)} ms`.padStart(12)}`)
  }
}

await race('orders', competitors)

// Notifications: the competitors take turns verifying and decrypting the same 200.
const messages = testNotifications({ appId, mchId, apiV3Key: v3.apiV3Key })
const wechat = messages.v3.merchant
const key = createPublicKey(wechat.publicKey)
const told = Array.from({ length: AT_ONCE }, (_none, at) => messages.v3.payment({ outTradeNo: `BV3N${at}`.padEnd(12, '0'), amount: 100 }))
const ours = checkMerchant({ mchId, v3: wechat }, origin).v3!
NodeV3.certificates[wechat.publicKeyId] = wechat.publicKey

/** Each competitor keeps its own position in the list. */
function eachTold (read: (message: TestMessage, headers: Record<string, string>) => Promise<string>): () => Promise<void> {
  let next = 0
  return async () => {
    const message = told[next++ % AT_ONCE]!
    const number = await read(message, message.headers as Record<string, string>)
    if (!number.startsWith('BV3N')) throw new Error('not read')
  }
}
const sealed = (message: TestMessage) => (JSON.parse(message.payload) as { resource: { ciphertext: string, nonce: string, associated_data: string } }).resource

await race('notifications verified and decrypted', {
  'nothing to do: what the monitor reads': async () => { await new Promise(resolve => setImmediate(resolve)) },
  'fastify-wechat-pay readV3Notification': eachTold(async ({ payload }, headers) => {
    const notification = await readV3Notification(headers, Buffer.from(payload), appId, ours, async () => key)
    return notification.kind === 'payment' ? notification.payment.outTradeNo : ''
  }),
  'wechatpay-node-v3 2.2 verifySign, decipher_gcm': eachTold(async (message, headers) => {
    const genuine = await nodeV3.verifySign({ timestamp: headers['wechatpay-timestamp'], nonce: headers['wechatpay-nonce'], body: message.payload, serial: headers['wechatpay-serial'], signature: headers['wechatpay-signature'], apiSecret: v3.apiV3Key })
    const { ciphertext, nonce, associated_data: aad } = sealed(message)
    return genuine ? nodeV3.decipher_gcm(ciphertext, aad, nonce, v3.apiV3Key).out_trade_no : ''
  }),
  'wechatpay-axios-plugin 0.9 Rsa.verify, AesGcm': eachTold(async (message, headers) => {
    const genuine = Rsa.verify(Formatter.response(headers['wechatpay-timestamp']!, headers['wechatpay-nonce']!, message.payload), headers['wechatpay-signature']!, key)
    const { ciphertext, nonce, associated_data: aad } = sealed(message)
    return genuine ? (JSON.parse(Aes.AesGcm.decrypt(ciphertext, v3.apiV3Key, nonce, aad)) as { out_trade_no: string }).out_trade_no : ''
  })
}, 20)
emulator.kill()
process.exit()
