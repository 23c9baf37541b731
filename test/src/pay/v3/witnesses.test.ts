/** Independent v3 implementations: two published clients against our emulator, and openssl against our signatures. */
import { execFileSync } from 'node:child_process'
import { createPublicKey } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import t from 'tap'
import { createPay } from '../../../../src/pay/pay.ts'
import { OPENID, testEmulator } from '../../../helpers/account.ts'
import { path as openssl, skip } from '../../../helpers/certificates.ts'
import { fakeServer } from '../../../helpers/fake-server.ts'

type Answer = { status: number, data?: Record<string, unknown>, error?: string }
interface NodeV3Client {
  createHttp (service: object): void
  getHeaders? (authorization: string): object
  transactions_jsapi (params: object): Promise<Answer>
  transactions_app (params: object): Promise<Answer>
  transactions_native (params: object): Promise<Answer>
  query (params: object): Promise<Answer>
  close (number: string): Promise<Answer>
  refunds (params: object): Promise<Answer>
  find_refunds (number: string): Promise<Answer>
  get_certificates (apiV3Key: string): Promise<Array<{ serial_no: string, publicKey: string }>>
  decipher_gcm (ciphertext: string, associated: string, nonce: string, key: string): Record<string, unknown>
}
const require = createRequire(import.meta.url)
const NodeV3 = require('wechatpay-node-v3') as new (config: object) => NodeV3Client
const { PayRequest } = require('wechatpay-node-v3/dist/lib/pay-request') as { PayRequest: new () => { get (url: string, headers: object): Promise<Answer>, post (url: string, params: object, headers: object): Promise<Answer> } }
interface Call { get (config?: object): Promise<{ data: Record<string, unknown>, status: number }>, post (data: object, config?: object): Promise<{ data: Record<string, unknown>, status: number }> }
const { Wechatpay, Rsa, Formatter, Aes } = require('wechatpay-axios-plugin') as {
  Wechatpay: new (config: object) => { chain (path: string): Call }
  Rsa: { verify (message: string, signature: string, key: unknown): boolean }
  Formatter: { response (timestamp: string, nonce: string, body: string): string }
  Aes: { AesGcm: { decrypt (ciphertext: string, key: string, iv: string, aad: string): string } }
}

const ORDER = { description: '咖啡', out_trade_no: 'V3W123456', amount: { total: 100, currency: 'CNY' } }

t.test('wechatpay-node-v3 with platform certificates', async t => {
  const shop = await fakeServer((_seen, reply) => { reply.writeHead(204).end() })
  t.teardown(shop.close)
  const emulator = await testEmulator(t, { keyMode: 'certificate' })
  const { merchant: { mchId, v3 } } = emulator.v3Config
  const theirs = new NodeV3({ appid: emulator.account.appId, mchid: mchId, serial_no: v3.serialNo, publicKey: Buffer.from('unused'), privateKey: Buffer.from(v3.privateKey), key: v3.apiV3Key })
  const http = new PayRequest()
  const here = (url: string) => url.replace('https://api.mch.weixin.qq.com', emulator.origin)
  theirs.createHttp({ get: (url: string, headers: object) => http.get(here(url), headers), post: (url: string, params: object, headers: object) => http.post(here(url), params, headers) })
  const order = { ...ORDER, notify_url: `${shop.origin}/notify` }

  const page = await theirs.transactions_jsapi({ ...order, payer: { openid: OPENID } })
  t.match(page, { status: 200, data: { package: /^prepay_id=wx/, signType: 'RSA', paySign: /./ } })
  t.match((await emulator.app.inject({ method: 'POST', url: '/_emulator/bridge/getBrandWCPayRequest', payload: page.data! })).json(), { cashier: /./ }, 'the cashier accepts their signature')
  const app = await theirs.transactions_app({ ...order, out_trade_no: 'V3W-app' })
  t.match((await emulator.app.inject({ method: 'POST', url: '/_emulator/bridge/sendPayReq', payload: app.data! })).json(), { errCode: 0 })
  t.match(await theirs.transactions_native({ ...order, out_trade_no: 'V3W-native' }), { status: 200, data: { code_url: /^weixin:/ } })
  t.match(await theirs.query({ out_trade_no: order.out_trade_no }), { data: { trade_state: 'NOTPAY' } })
  await emulator.pay(order.out_trade_no)
  t.match(await theirs.query({ out_trade_no: order.out_trade_no }), { data: { trade_state: 'SUCCESS', amount: { total: 100 } } })
  t.match(await theirs.close('V3W-native'), { status: 204 })
  const refund = { out_trade_no: order.out_trade_no, out_refund_no: 'V3WR1', amount: { refund: 40, total: 100, currency: 'CNY' } }
  t.match(await theirs.refunds(refund), { status: 200, data: { out_refund_no: 'V3WR1', amount: { refund: 40 } } })
  t.match(await theirs.find_refunds('V3WR1'), { data: { out_refund_no: 'V3WR1' } })
  const certificates = await theirs.get_certificates(v3.apiV3Key)
  t.equal(certificates.length, 1)
  const { request: { headers, body } } = await emulator.waitForNotification(delivery => delivery.accepted)
  t.equal(headers['wechatpay-serial'], certificates[0]!.serial_no)
  const { resource: { ciphertext, associated_data: associated, nonce } } = JSON.parse(body)
  t.match(theirs.decipher_gcm(ciphertext, associated, nonce, v3.apiV3Key), { out_trade_no: order.out_trade_no, trade_state: 'SUCCESS' })
})

t.test('wechatpay-axios-plugin with WeChat Pay\'s public key', async t => {
  const shop = await fakeServer((_seen, reply) => { reply.writeHead(204).end() })
  t.teardown(shop.close)
  const emulator = await testEmulator(t)
  const { merchant: { mchId, v3 } } = emulator.v3Config
  const publicKey = createPublicKey(v3.publicKey!)
  const theirs = new Wechatpay({ mchid: mchId, serial: v3.serialNo, privateKey: v3.privateKey, certs: { [v3.publicKeyId!]: publicKey }, baseURL: `${emulator.origin}/` })
  const order = { ...ORDER, appid: emulator.account.appId, mchid: mchId, notify_url: `${shop.origin}/notify` }
  // Set up as in its README: it sends no Wechatpay-Serial, and verifies each answer itself.
  t.match(await theirs.chain('v3/pay/transactions/jsapi').post({ ...order, payer: { openid: OPENID } }), { data: { prepay_id: /^wx/ } })
  t.match(await theirs.chain('v3/pay/transactions/out-trade-no/{out_trade_no}').get({ params: { mchid: mchId }, out_trade_no: order.out_trade_no }), { data: { trade_state: 'NOTPAY' } })
  await emulator.pay(order.out_trade_no)
  t.match(await theirs.chain('v3/refund/domestic/refunds').post({ out_trade_no: order.out_trade_no, out_refund_no: 'V3WR1', amount: { refund: 40, total: 100, currency: 'CNY' } }), { data: { out_refund_no: 'V3WR1' } })
  t.match(await theirs.chain('v3/refund/domestic/refunds/{out_refund_no}').get({ out_refund_no: 'V3WR1' }), { data: { status: /PROCESSING|SUCCESS/ } })
  await theirs.chain('v3/pay/transactions/native').post({ ...order, out_trade_no: 'V3W-native' })
  t.match(await theirs.chain('v3/pay/transactions/out-trade-no/{out_trade_no}/close').post({ mchid: mchId }, { out_trade_no: 'V3W-native' }), { status: 204 })
  const { request: { headers, body } } = await emulator.waitForNotification(delivery => delivery.accepted)
  t.ok(Rsa.verify(Formatter.response(headers['wechatpay-timestamp']!, headers['wechatpay-nonce']!, body), headers['wechatpay-signature']!, publicKey))
  const { resource: { ciphertext, associated_data: associated, nonce } } = JSON.parse(body)
  t.match(JSON.parse(Aes.AesGcm.decrypt(ciphertext, v3.apiV3Key, nonce, associated)), { out_trade_no: order.out_trade_no })
})

t.test('openssl verifies our signatures of requests and page parameters', { skip }, async t => {
  const emulator = await testEmulator(t)
  const { merchant: { mchId, v3 } } = emulator.v3Config
  const folder = t.testdir()
  writeFileSync(join(folder, 'public.pem'), createPublicKey(v3.privateKey).export({ type: 'spki', format: 'pem' }))
  const verifies = (message: string, signature: string) => {
    writeFileSync(join(folder, 'signature'), Buffer.from(signature, 'base64'))
    return execFileSync(openssl, ['dgst', '-sha256', '-verify', join(folder, 'public.pem'), '-signature', join(folder, 'signature')], { input: message }).toString()
  }
  const server = await fakeServer((_seen, reply) => { reply.writeHead(404).end() })
  t.teardown(server.close)
  const config = { ...emulator.v3Config, merchant: { ...emulator.v3Config.merchant, notifyUrl: 'https://shop.test/notify' } }
  const pay = createPay({ ...config, endpoints: server.endpoints })
  await pay.jsapi({ outTradeNo: 'V3W|*123', description: '咖啡', amount: 100, openid: OPENID }).catch(() => {})
  await pay.query({ outTradeNo: 'V3W|*123' }).catch(() => {})
  const [post, get] = server.seen
  for (const seen of [post!, get!]) {
    const parts = Object.fromEntries([...seen.headers.authorization!.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value])) as Record<string, string>
    t.match(parts, { mchid: mchId, serial_no: v3.serialNo, nonce_str: /^[0-9a-f]{32}$/, timestamp: /^\d{10}$/ })
    t.match(verifies(`${seen.method}\n${seen.url}\n${parts.timestamp}\n${parts.nonce_str}\n${seen.body}\n`, parts.signature!), /Verified OK/)
    t.match(seen.headers, { accept: 'application/json', 'wechatpay-serial': v3.publicKeyId, 'user-agent': /./ })
  }
  t.equal(get!.url, `/v3/pay/transactions/out-trade-no/V3W%7C*123?mchid=${mchId}`)
  const params = await createPay(config).jsapi({ outTradeNo: 'V3W123456', description: '咖啡', amount: 100, openid: OPENID })
  t.match(verifies(`${params.appId}\n${params.timeStamp}\n${params.nonceStr}\n${params.package}\n`, params.paySign), /Verified OK/)
})
