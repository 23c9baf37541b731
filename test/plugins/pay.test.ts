import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Fastify from 'fastify'
import type { FastifyReply } from 'fastify'
import t from 'tap'
import { Client, request } from 'undici'
import { pay } from '../../plugins/pay.ts'
import type { JsapiOrder, PayPluginOptions } from '../../plugins/pay.ts'
import { OPENID, testEmulator } from '../helpers/account.ts'
import { fakeServer } from '../helpers/fake-server.ts'
import { readXml } from '../../src/pay/v2/xml.ts'

type Tap = Parameters<typeof testEmulator>[0]

const ORDER: JsapiOrder = { outTradeNo: 'S1234567890', description: '咖啡', amount: 6800, openid: OPENID }

async function host (t: Tap, options: Partial<PayPluginOptions> = {}, fastify: object = {}) {
  const emulator = await testEmulator(t)
  const app = Fastify(fastify)
  t.teardown(() => app.close())
  const { appId, merchant, endpoints, http } = emulator.config
  app.register(pay, { appId, endpoints, http, merchant: { ...merchant, notifyUrl: 'http://127.0.0.1:1/notify' }, order: () => ORDER, ...options })
  await app.ready()
  return { app, emulator }
}

t.test('P1 amount, appid, openid and notify_url from the page are ignored', async t => {
  const { app, emulator } = await host(t)
  const forged = { amount: 1, total_fee: 1, appid: 'wx9', openid: 'oEvil', notify_url: 'https://evil.test' }
  const byJson = await app.inject({ method: 'POST', url: '/wechat/pay', payload: forged })
  t.match(byJson, { statusCode: 200, headers: { 'cache-control': 'no-store' } })
  t.same(Object.keys(byJson.json()).sort(), ['appId', 'nonceStr', 'package', 'paySign', 'signType', 'timeStamp', 'timestamp'])
  const byForm = await app.inject({ method: 'POST', url: '/wechat/pay', headers: { 'content-type': 'application/x-www-form-urlencoded' }, payload: String(new URLSearchParams(forged as never)) })
  t.equal(byForm.json().package, byJson.json().package)
  t.match(emulator.order(ORDER.outTradeNo), { total_fee: 6800, openid: OPENID, appid: emulator.account.appId, notify_url: 'http://127.0.0.1:1/notify' })
})

t.test('errors thrown by order() reach the page', async t => {
  const thrown = Object.assign(new Error('sold out'), { statusCode: 410, code: 'SOLD_OUT' })
  const { app, emulator } = await host(t, { order: async () => { throw thrown } })
  t.match((await app.inject({ method: 'POST', url: '/wechat/pay' })).json(), { statusCode: 410, code: 'SOLD_OUT', message: 'sold out' })
  t.equal((await emulator.app.inject('/_emulator/orders')).body, '[]')
})

t.test('P2 invalid results of order()', async t => {
  for (const wrong of [{ ...ORDER, amount: 0 }, { ...ORDER, amount: '6800' }, { ...ORDER, openid: undefined }]) {
    const { app } = await host(t, { order: () => wrong as JsapiOrder })
    t.match((await app.inject({ method: 'POST', url: '/wechat/pay' })).json(), { statusCode: 400, code: 'WECHAT_INPUT' })
  }
  for (const wrong of [undefined, null]) {
    const { app } = await host(t, { order: () => wrong as never })
    t.match((await app.inject({ method: 'POST', url: '/wechat/pay' })).json(), { statusCode: 500, code: 'WECHAT_CONFIG', message: 'this server is not configured for this' })
  }
})

t.test('order() may answer the request itself: no order is placed, nothing is logged as an error', async t => {
  const lines: string[] = []
  for (const order of [(_request: unknown, reply: FastifyReply) => reply.code(401).send({ own: true }), async (_request: unknown, reply: FastifyReply) => { reply.code(401).send({ own: true }) }]) {
    const { app, emulator } = await host(t, { order: order as never }, { logger: { level: 'warn', stream: { write: (line: string) => { lines.push(line) } } } })
    const reply = await app.inject({ method: 'POST', url: '/wechat/pay' })
    t.match([reply.statusCode, reply.json()], [401, { own: true }])
    t.equal((await emulator.app.inject('/_emulator/orders')).body, '[]')
  }
  t.same(lines, [])
})

t.test('a server on a Unix socket, where the payer has no address', async t => {
  for (const fastify of [{}, { trustProxy: true }]) {
    const { app } = await host(t, {}, fastify)
    const path = join(mkdtempSync(join(tmpdir(), 'wechat-')), 'socket')
    await app.listen({ path })
    const { body } = await request('http://localhost/wechat/pay', { method: 'POST', headers: { 'x-forwarded-for': '9.9.9.9' }, dispatcher: new Client('http://localhost', { socketPath: path }) })
    t.match(await body.json(), { package: /^prepay_id=/ })
  }
})

t.test('P7 trustProxy determines the payer\'s IP address', async t => {
  const server = await fakeServer((_seen, reply) => { reply.end() })
  t.teardown(server.close)
  const endpoints = server.endpoints
  const ask = async (fastify: object, forwarded: string) => {
    const { app } = await host(t, { endpoints, http: { retries: 0 } }, fastify)
    const reply = await app.inject({ method: 'POST', url: '/wechat/pay', headers: { 'x-forwarded-for': forwarded }, remoteAddress: '::ffff:10.0.0.1' })
    const last = server.seen.pop()
    return { reply, ip: last && readXml(Buffer.from(last.body)).spbill_create_ip }
  }
  t.match(await ask({}, '9.9.9.9'), { ip: '10.0.0.1' })
  t.match(await ask({ trustProxy: true }, '9.9.9.9'), { ip: '9.9.9.9' })
  for (const [forwarded, ip] of [
    ['1.2.3.4:5678', '1.2.3.4'], ['[2001:db8::1]:443', '2001:db8::1'], ['2001:db8::1', '2001:db8::1'], ['::ffff:9.9.9.9', '9.9.9.9'],
    // The farthest valid address in the chain.
    ['unknown', '10.0.0.1'], ['unknown, 9.9.9.9:1', '9.9.9.9'], ['_hidden, 10.0.0.300', '10.0.0.1'], [' ', '10.0.0.1'], ['9.9.9.9:x', '10.0.0.1'], ['fe80::1%eth0', 'fe80::1']
  ] as const) {
    t.match(await ask({ trustProxy: true }, forwarded), { ip }, forwarded)
  }
})

t.test('P8 ten concurrent requests; P9 WeChat is unavailable, then back', async t => {
  const { app, emulator } = await host(t)
  const all = await Promise.all(Array.from({ length: 10 }, () => app.inject({ method: 'POST', url: '/wechat/pay' })))
  t.equal(new Set(all.map(reply => reply.json().package)).size, 1)
  t.equal((await emulator.app.inject('/_emulator/orders')).json().length, 1)
  const server = await fakeServer((_seen, reply) => { reply.destroy() })
  t.teardown(server.close)
  const cut = await host(t, { endpoints: server.endpoints })
  t.match((await cut.app.inject({ method: 'POST', url: '/wechat/pay' })).json(), { statusCode: 502, code: 'WECHAT_NETWORK', message: 'WeChat could not be reached; please try again' })
})

t.test('without order() only decorators are added, and the application\'s form parser is unchanged', async t => {
  const { app } = await host(t, { order: undefined } as never)
  t.ok(app.wechatPay.jsapi)
  t.notOk(app.hasRoute({ method: 'POST', url: '/wechat/pay' }))
  const emulator = await testEmulator(t)
  const own = Fastify()
  t.teardown(() => own.close())
  own.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) => done(null, { mine: body }))
  own.post('/mine', async request => request.body)
  const { appId, merchant, endpoints, http } = emulator.config
  await own.register(pay, { appId, endpoints, http, merchant: { ...merchant, notifyUrl: 'http://127.0.0.1:1/notify' }, order: () => ORDER, prefix: '/api' })
  t.match((await own.inject({ method: 'POST', url: '/mine', headers: { 'content-type': 'application/x-www-form-urlencoded' }, payload: 'a=1' })).json(), { mine: 'a=1' })
  t.match(await own.inject({ method: 'POST', url: '/api/pay', headers: { 'content-type': 'application/x-www-form-urlencoded' }, payload: 'a=1' }), { statusCode: 200 })
})
