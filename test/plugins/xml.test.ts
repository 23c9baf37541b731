/** The xml plugin: strict parsing in one scope, with the raw bytes. */
import Fastify from 'fastify'
import t from 'tap'
import { testNotifications } from '../../plugins/emulator/server/emulator.ts'
import { notify, xml } from '../../plugins/wechat-pay.ts'
import { ACCOUNT } from '../helpers/account.ts'
import { payment, signed, xml as document } from '../helpers/notification.ts'

const { appId, merchant } = ACCOUNT
const V3 = 'z9Y8x7W6v5U4t3S2r1Q0p9O8n7M6l5K4'

t.test('fields and raw bytes, only in the scope that registers it', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.addContentTypeParser('text/xml', { parseAs: 'string' }, async (_request: unknown, body: string) => ({ hosts: body.length }))
  app.post('/host', async request => request.body)
  app.register(async scope => {
    await scope.register(xml)
    scope.post('/xml', async request => ({ body: request.body, bytes: request.wechatRawBody?.toString() }))
  })
  const send = (url: string, payload: string | Buffer, type = 'text/xml') => app.inject({ method: 'POST', url, headers: { 'content-type': type }, payload })
  const text = document({ return_code: 'SUCCESS', attach: '咖啡 & <b>' })
  t.same((await send('/host', text)).json(), { hosts: text.length }, 'the application\'s parser is unchanged')
  for (const type of ['text/xml', 'text/xml; charset=utf-8', 'application/xml']) t.same((await send('/xml', text, type)).json(), { body: { return_code: 'SUCCESS', attach: '咖啡 & <b>' }, bytes: text })
  t.match(await send('/xml', '{"a":1}', 'application/json'), { statusCode: 200 }, 'JSON is unchanged')
  t.same((await send('/xml', '{"a":1}', 'application/json')).json(), { body: { a: 1 } })
  for (const bad of ['<xml><a>1</a><a>2</a></xml>', '<xml><a><b>1</b></a></xml>', '<!DOCTYPE x [<!ENTITY y "z">]><xml><a>&y;</a></xml>', '<xml><a>1</b></xml>', '<html></html>', 'hello', '', Buffer.from('<xml><a>\xff</a></xml>', 'latin1'), '<xml><__proto__>1</__proto__></xml>']) {
    t.equal((await send('/xml', bad)).statusCode, 400, String(bad).slice(0, 30))
  }
  t.equal((await send('/xml', `<xml><a>${'x'.repeat(70_000)}</a></xml>`)).statusCode, 413)
})

t.test('read() verifies in the application\'s own route, and calls no handlers', async t => {
  const { v3, v2 } = testNotifications({ appId, mchId: merchant.mchId, apiKey: merchant.v2.apiKey, apiV3Key: V3 })
  const app = Fastify()
  t.teardown(() => app.close())
  const handled: string[] = []
  await app.register(notify, { appId, merchant: { ...merchant, v3: v3.merchant }, onPayment: ({ outTradeNo }) => { handled.push(outTradeNo) } })
  app.register(async scope => {
    await scope.register(xml, { parse: false })
    scope.post('/pay/callback', async (request, reply) => {
      const message = await app.wechatNotify.read(request.headers, request.wechatRawBody as Buffer)
      return reply.code(202).send({ kind: message.kind, version: message.version, account: message.account })
    })
  })
  const send = (headers: Record<string, string>, payload: string) => app.inject({ method: 'POST', url: '/pay/callback', headers, payload })
  t.match(await send({ 'content-type': 'text/xml' }, signed(payment())), { statusCode: 202, body: JSON.stringify({ kind: 'payment', version: 'v2', account: appId }) })
  t.match(await send({ 'content-type': 'text/xml' }, signed(payment(), 'x'.repeat(32))), { statusCode: 401 })
  const genuine = v3.payment({ outTradeNo: 'OWN-PATH-1', amount: 1 })
  t.match(await send(genuine.headers, genuine.payload), { statusCode: 202, body: /"version":"v3"/ })
  const forged = v3.forged(genuine)
  t.match(await send(forged.headers, forged.payload), { statusCode: 401 })
  const refund = v2.refund({ outTradeNo: 'A1', outRefundNo: 'R1', amount: 1, total: 1 })
  t.match(await send(refund.headers, refund.payload), { statusCode: 202, body: /"kind":"refund"/ })
  t.same(handled, [])
})

t.test('wrong options stop registration', async t => {
  for (const [options, option] of [[{ bodyLimit: 0 }, 'bodyLimit'], [{ parse: 'yes' }, 'parse'], [{ bodyLimt: 1 }, 'bodyLimt']] as const) {
    const app = Fastify()
    app.register(xml, options as object)
    await t.rejects(async () => await app.ready(), { code: 'WECHAT_CONFIG', option })
  }
})
