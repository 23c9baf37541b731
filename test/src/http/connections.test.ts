/** How many sockets, shared by whom, for how long. */
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

t.test('C1 500 calls at once with an authority of our own: all succeed, on 64 sockets', { skip }, async t => {
  const { key, cert } = selfSigned('localhost', '1', 'ec')
  const { origin, count } = await tlsServer(t, { key, cert }, (_request, reply) => { setTimeout(() => reply.end('ok'), 5) })
  const http = createHttp({ ca: cert, timeout: 60_000, retries: 5 })
  const replies = await Promise.all(Array.from({ length: 500 }, () => http(call(origin))))
  t.equal(replies.filter(({ body }) => body.toString() === 'ok').length, 500)
  t.equal(count.most, 64)
  t.equal(count.made, 64, 'and none was closed and made anew')
  await http.disconnect()
  await until(() => count.open === 0)

  const few = createHttp({ ca: cert, connections: 3, timeout: 60_000 })
  await Promise.all(Array.from({ length: 20 }, () => few(call(origin))))
  t.equal(count.made, 67, 'or on as many as the option says')
  await few.disconnect()
})

t.test('C1 a server that hangs: what was sent may have been done, what waited in line was not sent', async t => {
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
  t.equal(sent.length, 64, 'and no order is sent whose answer would come too late')
  t.same([...seen].filter(path => outcomes.get(path) !== 'unknown'), [], 'no call that the server has seen is called not sent')
  server.become((_seen, reply) => { reply.end('ok') })
  t.equal((await http(call(server.origin))).body.toString(), 'ok', 'and the places are free again')
  await http.disconnect()
})

t.test('a call that waits goes to nobody else\'s host, and its signature is made when its turn comes', async t => {
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
  t.equal((await http(call(quick.origin))).body.toString(), 'quick', 'another host has a line of its own')
  free.shift()!()
  await first
  await until(() => free.length === 1)
  t.same(signed, ['/first', '/second'])
  free.shift()!()
  await second
  await t.rejects(http(call(quick.origin, { repeatable: false, freshHeaders: async () => { throw new Error('the key is away') } })), { code: 'WECHAT_NETWORK', outcome: 'not_sent' })
  t.equal((await http(call(quick.origin))).body.toString(), 'quick', 'a signer that fails gives its place free')
  free = []
  await http.disconnect()
})

t.test('shared by clients that connect alike, and closed when the last of them ends', { skip }, async t => {
  const { key, cert } = selfSigned('localhost')
  const shop = selfSigned('1900000109')
  const { origin, count } = await tlsServer(t, { key, cert, requestCert: true, rejectUnauthorized: false }, (_request, reply) => { reply.end('ok') })
  const [one, other] = [createHttp({ ca: cert }), createHttp({ ca: [cert], timeout: 1234 })]
  await one(call(origin))
  await other(call(origin))
  t.equal(count.made, 1, 'one socket')
  const own = createHttp({ ca: cert }, shop)
  await own(call(origin))
  t.same(count.shown, ['', '1900000109'], 'a certificate has its own')
  await one.disconnect()
  await one.disconnect()
  await other(call(origin))
  t.equal(count.made, 2, 'the other goes on with it')
  await Promise.all([other.disconnect(), own.disconnect()])
  await until(() => count.open === 0)
  t.equal((await one(call(origin))).status, 200, 'a late call connects for itself')
  await until(() => count.open === 0)
  t.equal(count.made, 3)
})

t.test('a host that is away takes no places with it, and no more sockets when it is back', async t => {
  const port = await freePort()
  const http = createHttp({ timeout: 30_000, retries: 0 })
  const away = await Promise.all(Array.from({ length: 300 }, () => http(call(`http://127.0.0.1:${port}`)).catch((error: unknown) => error as WechatNetworkError)))
  t.ok(away.every(error => error instanceof WechatNetworkError && error.outcome === 'not_sent' && error.reason === 'ECONNREFUSED'))
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

t.test('what waits in line when the client is disconnected has its turn', async t => {
  const server = await fakeServer((_seen, reply) => { setTimeout(() => reply.end('ok'), 20) })
  t.teardown(server.close)
  const http = createHttp({ connections: 1, timeout: 30_000, retries: 0 })
  const calls = Promise.all(Array.from({ length: 4 }, () => http(call(server.origin))))
  await until(() => server.seen.length === 1)
  await http.disconnect()
  t.same((await calls).map(({ status }) => status), [200, 200, 200, 200])
})

t.test('a call under way ends before its connection does; one that hangs is not waited for', async t => {
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
  // Another authority beside the emulator's: connections that no other test shares.
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

t.test('a connection whose encryption breaks once the order was sent: the outcome is unknown', { skip }, async t => {
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
  t.match(asNetworkError('x', Object.assign(new Error(), { code: 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED' }), true), { outcome: 'not_sent', retryable: false }, 'a server that would not have our certificate has read nothing')
  t.match(asNetworkError('x', Object.assign(new Error(), { code: 'EHOSTUNREACH' }), true), { outcome: 'unknown' })
  t.match(asNetworkError('x', Object.assign(new Error(), { code: 'EHOSTUNREACH' }), false), { outcome: 'not_sent' })
})

t.test('TLS sessions are resumed, whatever the garbage collector does', { skip }, async t => {
  const { key, cert } = selfSigned('localhost')
  const { origin, count } = await tlsServer(t, { key, cert }, (_request, reply) => { reply.setHeader('connection', 'close').end('ok') })
  const http = createHttp({ ca: cert })
  for (let at = 0; at < 4; at++) {
    await http(call(origin))
    await until(() => count.open === 0)
    collectGarbage()
  }
  t.equal(count.made, 4)
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
  t.same(mutual.count.shown, ['1900000109', '1900000109', '1900000109'], 'and still with the merchant\'s certificate')
  await own.disconnect()
})

t.test('idle connections end before the server would end them', async t => {
  // As WeChat Pay does, in less time: the example on its page 签名验证 has `Keep-Alive: timeout=8`, and so had answers that merchants published up to 2024.
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

t.test('a dispatcher of the host\'s: used as it is, not closed, and not beside what it would not know', { skip }, async t => {
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
  const mute = { dispatch: (_options: object, handler: { onResponseError (controller: unknown, error: Error): void }) => handler.onResponseError(undefined, new Error('lost')) }
  await t.rejects(createHttp({ dispatcher: mute as never, retries: 0 })(call(server.origin)), { code: 'WECHAT_NETWORK', outcome: 'unknown' }, 'who does not tell when it begins to send')
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
