import { once } from 'node:events'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import Fastify from 'fastify'
import t from 'tap'
import { notify } from '../../plugins/notify.ts'
import type { NotifyOptions, Payment, Refund } from '../../plugins/notify.ts'
import { appId, merchant, payment, refundNotification, signed, xml } from '../helpers/notification.ts'
import { skip, startRedis } from '../helpers/redis.ts'
import { until } from '../helpers/until.ts'

const SUCCESS = /<return_code><!\[CDATA\[SUCCESS\]\]><\/return_code>/
const FAIL = /<return_code><!\[CDATA\[FAIL\]\]><\/return_code>/

type Tap = { teardown (end: () => unknown): unknown }

async function host (t: Tap, options: Partial<NotifyOptions> = {}) {
  const handled: Payment[] = []
  const lines: string[] = []
  const app = Fastify({ logger: { level: 'trace', stream: { write: (line: string) => { lines.push(line) } } } })
  t.teardown(() => app.close())
  app.register(notify, { appId, merchant, onPayment: payment => { handled.push(payment) }, ...options })
  const send = (payload: string | Buffer, headers: Record<string, string> = { 'content-type': 'text/xml' }) => app.inject({ method: 'POST', url: '/wechat/notify', payload, headers })
  return { app, handled, lines, send }
}

t.test('N1 fifty deliveries in sequence and fifty concurrently: handled once, all acknowledged', async t => {
  const { send, handled } = await host(t, {})
  const document = signed(payment())
  for (let at = 0; at < 50; at++) t.match(await send(document), { statusCode: 200, body: SUCCESS })
  const other = signed(payment({ transaction_id: '4200000000202611231234567891' }))
  for (const reply of await Promise.all(Array.from({ length: 50 }, () => send(other)))) t.match(reply, { statusCode: 200, body: SUCCESS })
  t.match(handled, [{ outTradeNo: 'S1234567890', amount: 100 }, { transactionId: '4200000000202611231234567891' }])
})

t.test('any content type, or none', async t => {
  const { send, handled } = await host(t)
  const types: Array<Record<string, string>> = [{ 'content-type': 'text/xml; charset=utf-8' }, { 'content-type': 'application/xml' }, { 'content-type': 'application/json' }, { 'content-type': 'application/x-www-form-urlencoded' }]
  for (const [at, headers] of types.entries()) t.match(await send(signed(payment({ transaction_id: `420000000020261123123456789${at}` })), headers), { body: SUCCESS })
  t.equal(handled.length, 4)
})

t.test('forged, unsigned, foreign or hostile: refused, and the next genuine one is accepted', async t => {
  const { app, send, handled, lines } = await host(t)
  const refused: Array<[string | Buffer, number]> = [
    [signed(payment(), 'x'.repeat(31) + 'y'), 401],
    [xml(payment()), 401],
    [xml({ ...payment(), sign: '' }), 401],
    [signed(payment({ mch_id: '1900000110' })), 403],
    [signed(payment({ appid: 'wx9999999999999999' })), 403],
    ['<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><xml><a>&e;</a></xml>', 400],
    ['', 400],
    ['{"id":"1"}', 400],
    ['x'.repeat(70_000), 413]
  ]
  for (const [document, statusCode] of refused) t.match(await send(document), { statusCode, body: FAIL, headers: { 'content-type': /text\/xml/ } }, String(document).slice(0, 60))
  t.match(await app.inject({ method: 'POST', url: '/wechat/notify' }), { statusCode: 400, body: FAIL }, 'no body at all')
  t.equal(handled.length, 0)
  t.match(await send(signed(payment())), { body: SUCCESS })
  t.equal(handled.length, 1)
  t.notMatch(lines.join('\n'), new RegExp(merchant.v2.apiKey))
})

t.test('N2 the handler throws twice, then succeeds; the reply reveals nothing', async t => {
  let calls = 0
  const { send, lines } = await host(t, { onPayment: async () => { if (++calls < 3) throw Object.assign(new Error('canary database password'), { statusCode: 204 }) } })
  for (let at = 0; at < 2; at++) {
    const reply = await send(signed(payment()))
    t.match(reply, { statusCode: 500, body: FAIL })
    t.notMatch(reply.body, /canary/)
  }
  t.match(await send(signed(payment())), { statusCode: 200, body: SUCCESS })
  t.equal(calls, 3)
  t.match(lines.join('\n'), /handler of a notification failed/)
})

t.test('N3 the handler never returns: refused in time; a later delivery succeeds', async t => {
  let calls = 0
  const { send } = await host(t, { handlerTimeout: 100, handlerLimit: 200, onPayment: () => ++calls === 1 ? new Promise(() => {}) : undefined })
  t.match(await send(signed(payment())), { statusCode: 503, body: FAIL })
  await until(async () => (await send(signed(payment()))).statusCode === 200)
  t.equal(calls, 2)
})

t.test('N13 expected()', async t => {
  const mismatches: unknown[] = []
  const orders: Record<string, object> = {
    right: { amount: 100, currency: 'CNY', openid: payment().openid },
    anyone: { amount: 100 },
    amount: { amount: 1 },
    currency: { amount: 100, currency: 'USD' },
    openid: { amount: 100, openid: 'oSomebodyElse' }
  }
  let now = ''
  const { send, handled, lines } = await host(t, {
    expected: async () => { if (now === 'throws') throw new Error('database'); return orders[now] as never },
    onMismatch: (payment, expected) => { mismatches.push([payment.outTradeNo, expected]) }
  })
  let number = 0
  const deliver = (name: string) => { now = name; return send(signed(payment({ transaction_id: `42000000002026112312345${10_000 + number++}` }))) }
  for (const name of ['right', 'anyone']) t.match(await deliver(name), { statusCode: 200, body: SUCCESS })
  for (const name of ['amount', 'currency', 'openid', 'unknown']) t.match(await deliver(name), { statusCode: 409, body: FAIL }, name)
  t.match(await deliver('throws'), { statusCode: 500, body: FAIL })
  t.equal(handled.length, 2)
  t.match(mismatches, [['S1234567890', { amount: 1 }], ['S1234567890', { currency: 'USD' }], ['S1234567890', { openid: 'oSomebodyElse' }], ['S1234567890', undefined]])
  t.match(lines.join('\n'), /does not match the order/)
  const silent = await host(t, { expected: () => undefined })
  t.match(await silent.send(signed(payment())), { statusCode: 409 })
})

t.test('a failed payment is acknowledged but not handled; FAIL before SUCCESS', async t => {
  const { send, handled } = await host(t)
  t.match(await send(signed(payment({ result_code: 'FAIL', err_code: 'SYSTEMERROR' }))), { body: SUCCESS })
  t.equal(handled.length, 0)
  t.match(await send(signed(payment())), { body: SUCCESS })
  t.equal(handled.length, 1)
})

t.test('N10 N11 over TCP: chunks that split a character, Expect: 100-continue, a client that disconnects', async t => {
  let started = 0
  const { app, handled } = await host(t, { onPayment: async payment => { started++; await sleep(100); handled.push(payment) } })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const body = Buffer.from(signed(payment({ attach: '咖啡' })))
  const cut = body.indexOf(Buffer.from('咖')) + 1
  const socket = connect(port, '127.0.0.1')
  socket.write(`POST /wechat/notify HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nExpect: 100-continue\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`)
  const [go] = await once(socket, 'data')
  t.match(String(go), /100 Continue/)
  socket.write(body.subarray(0, cut))
  await sleep(20)
  socket.write(body.subarray(cut))
  const [answer] = await once(socket, 'data')
  t.match(String(answer), /200 OK[\s\S]*SUCCESS/)
  t.match(handled, [{ attach: '咖啡' }])

  const other = Buffer.from(signed(payment({ transaction_id: '4200000000202611231234567899' })))
  const disconnecting = connect(port, '127.0.0.1')
  disconnecting.end(`POST /wechat/notify HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: ${other.length}\r\n\r\n${other}`)
  await until(() => started === 2)
  disconnecting.destroy()
  await until(() => handled.length === 2)
  t.equal(handled.length, 2, 'N9 its result is kept')
  t.match(await app.inject({ method: 'POST', url: '/wechat/notify', payload: other }), { body: SUCCESS })
  t.equal(handled.length, 2)
})

t.test('N12 N16 the application\'s routes, parsers, error handler and hooks are unchanged', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  const handled: string[] = []
  app.addContentTypeParser('text/xml', { parseAs: 'string' }, (_request, body, done) => done(null, { parsed: body }))
  app.setErrorHandler(async (_error, _request, reply) => reply.code(418).send('the host\'s'))
  app.addHook('preValidation', async request => { if (request.body && typeof request.body === 'object' && !Buffer.isBuffer(request.body)) Object.assign(request.body, { touched: true }) })
  app.post('/mine', async request => request.body)
  await app.register(notify, { appId, merchant, onPayment: (payment, { request }) => { handled.push(`${payment.outTradeNo} ${request?.wechatNotification?.kind}`) } })
  t.match(await app.inject({ method: 'POST', url: '/wechat/notify', payload: signed(payment()), headers: { 'content-type': 'text/xml' } }), { body: SUCCESS })
  t.same(handled, ['S1234567890 payment'])
  t.match((await app.inject({ method: 'POST', url: '/mine', payload: '<a/>', headers: { 'content-type': 'text/xml' } })).json(), { parsed: '<a/>', touched: true })
  t.match((await app.inject({ method: 'POST', url: '/mine', payload: { a: 1 } })).json(), { a: 1 })
  t.match(await app.inject({ method: 'POST', url: '/mine', payload: '{', headers: { 'content-type': 'application/json' } }), { statusCode: 418 })
  t.match(await app.inject({ method: 'POST', url: '/wechat/notify', payload: 'x' }), { statusCode: 400, body: FAIL })
  for (const url of ['/wechat/notify', '/wechat//notify']) t.match(await app.inject({ method: 'GET', url }), { statusCode: 404 })
})

t.test('N14 a line break in attach does not break the log line', async t => {
  const { send, lines } = await host(t, { expected: () => undefined })
  await send(signed(payment({ attach: 'x\n{"level":60,"msg":"forged"}' })))
  for (const line of lines) t.equal(line.trim().split('\n').length, 1)
})

t.test('N15 two merchants in one server are never mixed', async t => {
  const handled: string[] = []
  const second = { mchId: '1900000110', v2: { apiKey: 'Z1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6' } }
  const app = Fastify()
  t.teardown(() => app.close())
  app.register(notify, { appId, merchant, onPayment: payment => { handled.push(`1 ${payment.mchId}`) } })
  app.register(notify, { appId, merchant: second, prefix: '/second', onPayment: payment => { handled.push(`2 ${payment.mchId}`) } })
  const theirs = signed(payment({ mch_id: second.mchId }), second.v2.apiKey)
  t.match(await app.inject({ method: 'POST', url: '/wechat/notify', payload: theirs }), { statusCode: 401 })
  t.match(await app.inject({ method: 'POST', url: '/second/notify', payload: theirs }), { statusCode: 200 })
  t.match(await app.inject({ method: 'POST', url: '/wechat/notify', payload: signed(payment()) }), { statusCode: 200 })
  t.same(handled, ['2 1900000110', '1 1900000109'])
})

t.test('P17 options', async t => {
  const wrong: Array<[string, object]> = [['onPayment', { onPayment: undefined }], ['handlerTimeout', { handlerTimeout: 0 }], ['handlerTimeout', { handlerTimeout: 6000 }], ['handlerTimeout', { handlerTimeout: '4500' }],
    ...['7d', '60', NaN, 0, -1, Infinity, 1e9, null].map((remember): [string, object] => ['remember', { remember }]),
    ...['10m', NaN, 0, 4000, Infinity].map((handlerLimit): [string, object] => ['handlerLimit', { handlerLimit }]),
    ['merchant', { merchant: undefined }], ['appId', { appId: '' }]]
  for (const [option, change] of wrong) {
    const app = Fastify()
    app.register(notify, { appId, merchant, onPayment: () => {}, ...change } as NotifyOptions)
    await t.rejects(async () => await app.ready(), { code: 'WECHAT_CONFIG', option })
  }
})

t.test('shared by two processes in Redis; N5 refused while Redis is unavailable', { skip }, async t => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  let runs = 0
  const hosts = await Promise.all([1, 2].map(() => host(t, { redis: redis.client(), onPayment: async () => { await sleep(50); runs++ } })))
  const replies = await Promise.all(Array.from({ length: 40 }, (_, at) => hosts[at % 2]?.send(signed(payment()))))
  for (const reply of replies) t.match(reply, { body: SUCCESS })
  t.equal(runs, 1)
  await redis.kill()
  t.match(await hosts[0]?.send(signed(payment({ transaction_id: '4200000000202611231234567892' }))), { statusCode: 503, body: FAIL })
  t.equal(runs, 1)
})

t.test('N7 refunds: each final state once; unsigned but encrypted; everything else refused', async t => {
  const refunds: Refund[] = []
  const { send, lines } = await host(t, { onRefund: refund => { refunds.push(refund) } })
  const genuine = refundNotification()
  for (let at = 0; at < 3; at++) t.match(await send(genuine), { statusCode: 200, body: SUCCESS })
  t.match(refunds, [{ outRefundNo: 'R1', refundId: '50000408942018111907145868882', outTradeNo: 'S1234567890', transactionId: '4200000000202611231234567890', state: 'SUCCESS', amount: 40, total: 100, payerAmount: 36, receivedBy: '支付用户零钱', succeededAt: new Date('2026-11-23T18:30:00+08:00'), mchId: merchant.mchId }])
  await send(refundNotification({ refund_status: 'CHANGE', success_time: '', cash_refund_fee: undefined }))
  await send(refundNotification({ refund_status: 'REFUNDCLOSE' }))
  t.same(refunds.map(({ state }) => state), ['SUCCESS', 'ABNORMAL', 'CLOSED'])
  t.equal(refunds[1]!.succeededAt, undefined)

  const refused: Array<[string, number]> = [
    [refundNotification({}, { key: 'x'.repeat(32) }), 401], [refundNotification({}, { outer: { mch_id: '1900000110' } }), 403], [refundNotification({}, { outer: { appid: 'wx9' } }), 403], [refundNotification({}, { outer: { return_code: 'FAIL' } }), 400],
    [refundNotification({}, { outer: { req_info: 'AAAA' } }), 401], [refundNotification({ refund_status: 'PROCESSING' }), 400], [refundNotification({ refund_status: 'OTHER' }), 400], [refundNotification({ refund_fee: '1e2' }), 400], [refundNotification({ out_refund_no: undefined }), 400],
    [refundNotification({ transaction_id: '1&a=2' }), 400], [refundNotification({}, { root: 'xml' }), 400]
  ]
  for (const [document, statusCode] of refused) t.match(await send(document), { statusCode, body: FAIL })
  const bytes = genuine.replace(/(<req_info><!\[CDATA\[.{40})(.)/, (_all, before: string, char: string) => before + (char === 'A' ? 'B' : 'A'))
  t.match(await send(bytes), { body: FAIL }, 'an altered text')
  t.equal(refunds.length, 3)
  t.notMatch(lines.join(''), new RegExp(merchant.v2.apiKey))
})

t.test('with only one of the two handlers', async t => {
  const payments = await host(t)
  t.match(await payments.send(refundNotification()), { statusCode: 200, body: SUCCESS })
  t.match(payments.lines.join(''), /onRefund is not set/)
  const refunds: unknown[] = []
  const { send } = await host(t, { onPayment: undefined, onRefund: (refund: Refund) => { refunds.push(refund) } } as never)
  t.match(await send(signed(payment())), { statusCode: 501, body: FAIL }, 'a payment without a handler is not acknowledged')
  t.match(await send(refundNotification()), { body: SUCCESS })
  for (const [options, option] of [[{ onPayment: undefined }, 'onPayment'], [{ onRefund: 'x' }, 'onRefund'], [{ onMismatch: 5 }, 'onMismatch'], [{ expected: {} }, 'expected']] as const) {
    const app = Fastify()
    app.register(notify, Object.assign({ appId, merchant, onPayment: () => {} }, options) as never)
    await t.rejects(async () => await app.ready(), { code: 'WECHAT_CONFIG', option })
  }
})

t.test('a failing refund handler is called again', async t => {
  let calls = 0
  const { send } = await host(t, { onRefund: () => { if (++calls < 3) throw new Error('database away') } })
  t.match(await send(refundNotification()), { statusCode: 500, body: FAIL })
  t.match(await send(refundNotification()), { statusCode: 500, body: FAIL })
  t.match(await send(refundNotification()), { body: SUCCESS })
  t.match(await send(refundNotification()), { body: SUCCESS })
  t.equal(calls, 3)
})

t.test('N6 fifteen failures, then a fix: the sixteenth delivery succeeds', async t => {
  let calls = 0
  const { send } = await host(t, { onPayment: () => { if (++calls <= 15) throw new Error('database away') } })
  const document = signed(payment())
  for (let at = 0; at < 15; at++) t.match(await send(document), { statusCode: 500, body: FAIL })
  t.match(await send(document), { statusCode: 200, body: SUCCESS })
  t.match(await send(document), { statusCode: 200, body: SUCCESS })
  t.equal(calls, 16)
  for (const storeAway of ['refuse', 'process'] as const) t.ok(await host(t, { storeAway }))
  await t.rejects(host(t, { storeAway: 'ignore' as never }).then(({ app }) => app.ready()), { code: 'WECHAT_CONFIG', option: 'storeAway' })
})

t.test('N7 out-of-order and contradictory notifications each reach the handler', async t => {
  const handled: string[] = []
  const { send } = await host(t, { onPayment: ({ transactionId }) => { handled.push(`paid ${transactionId}`) }, onRefund: ({ refundId, state }) => { handled.push(`refund ${refundId} ${state}`) } })
  const [first, second] = ['4200000000202611231234567890', '4200000000202611231234567891']
  await send(refundNotification({ refund_status: 'CHANGE' }))
  await send(refundNotification({ refund_status: 'SUCCESS' }))
  await send(signed(payment({ transaction_id: first })))
  await send(signed(payment({ transaction_id: second })))
  const refund = 'refund 50000408942018111907145868882'
  t.same(handled, [`${refund} ABNORMAL`, `${refund} SUCCESS`, `paid ${first}`, `paid ${second}`], 'a refund before its payment, and two transactions of one order')
})
