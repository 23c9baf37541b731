/** Connection pools: size, sharing, lifetime. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createServer } from 'node:http'
import { connect, createServer as createRelay } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { once } from 'node:events'
import Fastify from 'fastify'
import t from 'tap'
import { Agent } from 'undici'
import { wechatPay } from '../../../plugins/wechat-pay.ts'
import { WechatNetworkError } from '../../../src/errors.ts'
import { createHttp } from '../../../src/http/http.ts'
import type { HttpRequest } from '../../../src/http/http.ts'
import { asNetworkError } from '../../../src/http/failure.ts'
import { OPENID, testEmulator } from '../../helpers/account.ts'
import { selfSigned, skip } from '../../helpers/certificates.ts'
import { fakeServer } from '../../helpers/fake-server.ts'
import { freePort } from '../../helpers/redis.ts'
import { tlsServer, until } from '../../helpers/tls-server.ts'
import { patience } from '../../helpers/patience.ts'

const call = (base: string, more: Partial<HttpRequest> = {}): HttpRequest => ({ name: '/call', method: 'POST', bases: [base], path: '/call', body: 'x', repeatable: true, ...more })
const collectGarbage = () => {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
}

t.test('C1 500 concurrent calls with a custom CA: all succeed, on at most 64 sockets', { skip }, async t => {
  const { key, cert } = selfSigned('localhost', '1', 'ec')
  const { origin, count } = await tlsServer(t, { key, cert }, (_request, reply) => { setTimeout(() => reply.end('ok'), 5) })
  const http = createHttp({ ca: cert, timeout: 60_000, retries: 5 })
  const replies = await Promise.all(Array.from({ length: 500 }, () => http(call(origin))))
  t.equal(replies.filter(({ body }) => body.toString() === 'ok').length, 500)
  // On a busy machine the first sockets are free again before the last have connected.
  t.ok(count.peak <= 64 && count.peak > 20, `on ${count.peak} sockets`)
  t.equal(count.total, count.peak, 'and none was closed and reopened')
  const { total } = count
  await http.disconnect()
  await until(() => count.open === 0)

  const few = createHttp({ ca: cert, connections: 3, timeout: 60_000 })
  await Promise.all(Array.from({ length: 20 }, () => few(call(origin))))
  t.ok(count.total <= total + 3, 'or on as many as configured')
  await few.disconnect()
})

t.test('C1 a hanging server: sent calls have an unknown outcome, queued calls were not sent', async t => {
  const seen = new Set<string>()
  const server = await fakeServer(({ url }) => { seen.add(url) })
  t.teardown(server.close)
  const http = createHttp({ timeout: patience(2000), retries: 0 })
  const outcomes = new Map<string, string>()
  await Promise.all(Array.from({ length: 500 }, async (_none, at) => {
    const error = await http(call(server.origin, { path: `/${at}` })).catch((error: unknown) => error) as WechatNetworkError
    if (error.reason === 'TIMEOUT' && error.statusCode === 504) outcomes.set(`/${at}`, error.outcome)
  }))
  t.equal(outcomes.size, 500)
  const sent = [...outcomes].filter(([, outcome]) => outcome === 'unknown').map(([path]) => path)
  t.equal(sent.length, 64, 'and no order is sent too late for its answer')
  t.same([...seen].filter(path => outcomes.get(path) !== 'unknown'), [], 'no call that reached the server is reported as not sent')
  server.become((_seen, reply) => { reply.end('ok') })
  t.equal((await http(call(server.origin))).body.toString(), 'ok', 'and the slots are free again')
  await http.disconnect()
})

t.test('a queued call keeps its host, and is signed when it is sent', async t => {
  let free: Array<() => void> = []
  const slow = await fakeServer((_seen, reply) => { free.push(() => reply.end('slow')) })
  const quick = await fakeServer((_seen, reply) => { reply.end('quick') })
  t.teardown(slow.close)
  t.teardown(quick.close)
  const http = createHttp({ connections: 1, timeout: 30_000 })
  const signed: string[] = []
  const one = (path: string) => http(call(slow.origin, { path, freshHeaders: async () => { signed.push(path); return { x: path } } }))
  const first = one('/first')
  const second = one('/second')
  await until(() => free.length === 1)
  t.same(signed, ['/first'])
  t.equal((await http(call(quick.origin))).body.toString(), 'quick', 'another host has its own queue')
  free.shift()!()
  await first
  await until(() => free.length === 1)
  t.same(signed, ['/first', '/second'])
  free.shift()!()
  await second
  await t.rejects(http(call(quick.origin, { repeatable: false, freshHeaders: async () => { throw new Error('the key is away') } })), { code: 'WECHAT_NETWORK', outcome: 'not_sent' })
  t.equal((await http(call(quick.origin))).body.toString(), 'quick', 'a failing signer releases its slot')
  free = []
  await http.disconnect()
})

t.test('shared by clients with the same connection options, and closed with the last one', { skip }, async t => {
  const { key, cert } = selfSigned('localhost')
  const shop = selfSigned('1900000109')
  const { origin, count } = await tlsServer(t, { key, cert, requestCert: true, rejectUnauthorized: false }, (_request, reply) => { reply.end('ok') })
  const [one, other] = [createHttp({ ca: cert }), createHttp({ ca: [cert], timeout: 1234 })]
  await one(call(origin))
  await other(call(origin))
  t.equal(count.total, 1, 'one socket')
  const own = createHttp({ ca: cert }, shop)
  await own(call(origin))
  t.same(count.clientNames, ['', '1900000109'], 'a client certificate has its own connections')
  await one.disconnect()
  await one.disconnect()
  await other(call(origin))
  t.equal(count.total, 2, 'the other client keeps using it')
  await Promise.all([other.disconnect(), own.disconnect()])
  await until(() => count.open === 0)
  t.equal((await one(call(origin))).status, 200, 'a late call opens a new connection')
  await until(() => count.open === 0)
  t.equal(count.total, 3)
})

t.test('an unavailable host occupies no slots, and uses no extra sockets after it recovers', async t => {
  const port = await freePort()
  const http = createHttp({ timeout: 30_000, retries: 0 })
  const errors = await Promise.all(Array.from({ length: 300 }, () => http(call(`http://127.0.0.1:${port}`)).catch((error: unknown) => error as WechatNetworkError)))
  t.ok(errors.every(error => error instanceof WechatNetworkError && error.outcome === 'not_sent' && error.reason === 'ECONNREFUSED'))
  let open = 0
  let most = 0
  const server = createServer((_request, reply) => { setTimeout(() => reply.end('ok'), 5) })
  server.on('connection', socket => {
    most = Math.max(most, ++open)
    socket.on('close', () => { open-- })
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const back = await Promise.all(Array.from({ length: 300 }, () => http(call(`http://127.0.0.1:${port}`))))
  t.equal(back.length, 300)
  t.ok(most <= 64, `${most} sockets`)
  await http.disconnect()
  await until(() => open === 0)
})

t.test('queued calls are still sent when the client disconnects', async t => {
  const server = await fakeServer((_seen, reply) => { setTimeout(() => reply.end('ok'), 20) })
  t.teardown(server.close)
  const http = createHttp({ connections: 1, timeout: 30_000, retries: 0 })
  const calls = Promise.all(Array.from({ length: 4 }, () => http(call(server.origin))))
  await until(() => server.seen.length === 1)
  await http.disconnect()
  t.same((await calls).map(({ status }) => status), [200, 200, 200, 200])
})

t.test('running calls finish before their connection closes; hanging ones are not waited for', async t => {
  let answer: (() => void) | undefined
  const server = await fakeServer((_seen, reply) => { answer = () => reply.end('late') })
  t.teardown(server.close)
  const http = createHttp({ timeout: 5000, retries: 0 })
  const running = http(call(server.origin))
  await until(() => answer !== undefined)
  const ended = http.disconnect()
  answer!()
  t.equal((await running).body.toString(), 'late')
  await ended
  const impatient = createHttp({ timeout: patience(200), retries: 0 })
  const lost = impatient.stream(call(server.origin))
  server.become((_seen, reply) => { reply.write('begun') })
  const { body } = await lost.catch(() => impatient.stream(call(server.origin)))
  await impatient.disconnect()
  t.equal(body.destroyed, true)
})

t.test('closing the server leaves no socket', { skip }, async t => {
  const emulator = await testEmulator(t)
  const { cert } = selfSigned('localhost')
  const before = sockets()
  const app = Fastify()
  // An additional CA, so that no other test shares these connections.
  await app.register(wechatPay, { ...emulator.bothConfig, http: { ca: [...[emulator.bothConfig.http.ca].flat(), cert] }, merchant: { ...emulator.bothConfig.merchant, notifyUrl: 'http://127.0.0.1:1/n' }, onPayment: () => {} })
  await app.wechatToken.get()
  for (const outTradeNo of ['END-001', 'END-002']) await app.wechatPay.jsapi({ outTradeNo, description: 'x', amount: 1, openid: OPENID })
  await app.wechatPay.v2.post('/pay/orderquery', { out_trade_no: 'END-001' })
  t.ok(sockets() > before)
  await app.close()
  await until(() => sockets() <= before)
  t.pass('all closed')
})

const sockets = () => process.getActiveResourcesInfo().filter(kind => kind === 'TCPSocketWrap').length

t.test('a TLS error after the order was sent: the outcome is unknown', { skip }, async t => {
  const { key, cert } = selfSigned('localhost')
  const clients = new Set<Socket>()
  const { port } = await tlsServer(t, { key, cert }, () => { for (const client of clients) client.write(Buffer.concat([Buffer.from([0x17, 3, 3, 0, 64]), Buffer.alloc(64)])) })
  const relay = createRelay(client => {
    const there = connect(port, '127.0.0.1')
    clients.add(client)
    there.pipe(client).pipe(there)
    for (const socket of [client, there]) socket.on('error', () => {}).on('close', () => { client.destroy(); there.destroy() })
  }).listen(0, '127.0.0.1')
  await once(relay, 'listening')
  t.teardown(() => relay.close())
  const http = createHttp({ ca: cert, retries: 0 })
  const error = await http(call(`https://localhost:${(relay.address() as AddressInfo).port}`)).catch((error: unknown) => error)
  t.match(error, { code: 'WECHAT_NETWORK', outcome: 'unknown', retryable: true })
  await http.disconnect()
  t.match(asNetworkError('x', Object.assign(new Error(), { code: 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED' }), true), { outcome: 'not_sent', retryable: false }, 'a server that refuses our certificate has read nothing')
  t.match(asNetworkError('x', Object.assign(new Error(), { code: 'EHOSTUNREACH' }), true), { outcome: 'unknown' })
  t.match(asNetworkError('x', Object.assign(new Error(), { code: 'EHOSTUNREACH' }), false), { outcome: 'not_sent' })
})

t.test('TLS sessions are resumed, even after garbage collection', { skip }, async t => {
  const { key, cert } = selfSigned('localhost')
  const { origin, count } = await tlsServer(t, { key, cert }, (_request, reply) => { reply.setHeader('connection', 'close').end('ok') })
  const http = createHttp({ ca: cert })
  for (let at = 0; at < 4; at++) {
    await http(call(origin))
    await until(() => count.open === 0)
    collectGarbage()
  }
  t.equal(count.total, 4)
  t.equal(count.resumed, 3)
  await http.disconnect()

  const shop = selfSigned('1900000109')
  const mutual = await tlsServer(t, { key, cert, ca: shop.cert, requestCert: true }, (_request, reply) => { reply.setHeader('connection', 'close').end('ok') })
  const own = createHttp({ ca: cert }, shop)
  for (let at = 0; at < 3; at++) {
    await own(call(mutual.origin))
    await until(() => mutual.count.open === 0)
  }
  t.equal(mutual.count.resumed, 2)
  t.same(mutual.count.clientNames, ['1900000109', '1900000109', '1900000109'], 'and still with the merchant\'s certificate')
  await own.disconnect()
})

t.test('idle connections close before the server closes them', async t => {
  // Like WeChat Pay, but shorter: the example in its documentation (签名验证) and answers published up to 2024 have `Keep-Alive: timeout=8`.
  const ends: string[] = []
  const server = createServer((_request, reply) => { reply.end('ok') })
  server.keepAliveTimeout = 3000
  server.on('connection', socket => {
    socket.once('end', () => ends.push('by us')).once('close', () => ends.push('closed'))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const http = createHttp()
  const { headers } = await http(call(`http://127.0.0.1:${(server.address() as AddressInfo).port}`))
  t.equal(headers['keep-alive'], 'timeout=3')
  await until(() => ends.includes('closed'))
  t.same(ends, ['by us', 'closed'])
  await http.disconnect()
})

t.test('the application\'s dispatcher is used as is, not closed, and refused with options it cannot apply', { skip }, async t => {
  const server = await fakeServer((_seen, reply) => { reply.end('ok') })
  t.teardown(server.close)
  const dispatcher = new Agent()
  t.teardown(() => dispatcher.close())
  const http = createHttp({ dispatcher, retries: 0 })
  t.equal((await http(call(server.origin))).body.toString(), 'ok')
  server.become((_seen, reply) => { reply.destroy() })
  await t.rejects(http(call(server.origin)), { code: 'WECHAT_NETWORK', outcome: 'unknown' })
  await http.disconnect()
  t.equal(dispatcher.closed, false)
  const silent = { dispatch: (_options: object, handler: { onResponseError (controller: unknown, error: Error): void }) => handler.onResponseError(undefined, new Error('lost')) }
  await t.rejects(createHttp({ dispatcher: silent as never, retries: 0 })(call(server.origin)), { code: 'WECHAT_NETWORK', outcome: 'unknown' }, 'one that does not report when it starts to send')
  const own = selfSigned('1900000109')
  for (const [options, certificate, option] of [
    [{ dispatcher }, own, 'http.dispatcher'],
    [{ dispatcher, ca: own.cert }, undefined, 'http.dispatcher'],
    [{ dispatcher, proxy: 'env' }, undefined, 'http.dispatcher'],
    [{ dispatcher: {} }, undefined, 'http.dispatcher'],
    [{ connections: 0 }, undefined, 'http.connections'],
    [{ connections: 1.5 }, undefined, 'http.connections'],
    [{ connections: '64' }, undefined, 'http.connections']
  ] as const) t.throws(() => createHttp(options as never, certificate), { code: 'WECHAT_CONFIG', option })
})
