/** A second witness: the published client `tenpay` against our emulator, and our notifications against its verifier. */
import { createRequire } from 'node:module'
import t from 'tap'
import { notify } from '../../../plugins/notify.ts'
import { readXml } from '../../../src/pay/v2/xml.ts'
import { OPENID, testEmulator } from '../../helpers/account.ts'
import { fakeServer } from '../../helpers/fake-server.ts'
import Fastify from 'fastify'

interface Tenpay {
  urls: Record<string, string>
  unifiedOrder (order: object): Promise<Record<string, string>>
  orderQuery (order: object): Promise<Record<string, string>>
  closeOrder (order: object): Promise<Record<string, string>>
  getPayParams (order: object): Promise<Record<string, string>>
  _getSign (params: object, type: string): string
}

const TenpayClient = createRequire(import.meta.url)('tenpay') as new (config: object) => Tenpay

t.test('tenpay places, queries and closes; the cashier takes its parameters; the notification satisfies it', async t => {
  const shop = await fakeServer((_seen, reply) => { reply.end('<xml><return_code>SUCCESS</return_code></xml>') })
  t.teardown(shop.close)
  const emulator = await testEmulator(t)
  const { appId, mchId, apiKey } = emulator.account
  const tenpay = new TenpayClient({ appid: appId, mchid: mchId, partnerKey: apiKey, notify_url: `${shop.origin}/notify` })
  for (const [name, url] of Object.entries(tenpay.urls)) tenpay.urls[name] = url.replace(/^https:\/\/[^/]+/, emulator.origin)
  const order = { out_trade_no: 'T1234567890', body: '咖啡 & <茶>', total_fee: 100, openid: OPENID, attach: 'a=1&b=2' }
  t.match(await tenpay.unifiedOrder(order), { result_code: 'SUCCESS', prepay_id: /^wx/ })
  const params = await tenpay.getPayParams(order)
  t.match((await emulator.app.inject({ method: 'POST', url: '/_emulator/bridge/getBrandWCPayRequest', payload: params })).json(), { cashier: /./ })
  t.match(await tenpay.orderQuery({ out_trade_no: order.out_trade_no }), { trade_state: 'NOTPAY' })
  await emulator.pay(order.out_trade_no)
  const { request } = await emulator.waitForNotification(delivery => delivery.accepted)
  const { sign, ...fields } = { ...readXml(Buffer.from(request.body)) }
  t.equal(tenpay._getSign(fields, 'MD5'), sign)
  t.match(await tenpay.orderQuery({ out_trade_no: order.out_trade_no }), { trade_state: 'SUCCESS', total_fee: '100', attach: order.attach })
  await tenpay.unifiedOrder({ ...order, out_trade_no: 'T2' })
  t.match(await tenpay.closeOrder({ out_trade_no: 'T2' }), { result_code: 'SUCCESS' })
  await t.rejects(tenpay.unifiedOrder({ ...order, total_fee: 1 }), { message: /./ })

  const app = Fastify()
  t.teardown(() => app.close())
  const handled: string[] = []
  await app.register(notify, { appId, endpoints: emulator.config.endpoints, merchant: { mchId, v2: { apiKey } }, onPayment: payment => { handled.push(payment.outTradeNo) } })
  const mine = { ...fields, sign: tenpay._getSign(fields, 'MD5') }
  await app.inject({ method: 'POST', url: '/wechat/notify', payload: `<xml>${Object.entries(mine).map(([name, value]) => `<${name}><![CDATA[${value}]]></${name}>`).join('')}</xml>` })
  t.same(handled, ['T1234567890'], 'signed by tenpay, accepted by us')
})
