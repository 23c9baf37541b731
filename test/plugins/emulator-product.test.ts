/** The emulator as a product: seeds, saved state, several accounts, WeChat's host names, inspection. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { connect as netConnect, createServer as createNetServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { connect as tlsConnect } from 'node:tls'
import { once } from 'node:events'
import Fastify from 'fastify'
import t from 'tap'
import { createEmulator } from '../../plugins/emulator/server/emulator.ts'
import { environmentOf } from '../../plugins/emulator/cli/exec.ts'
import { createRandom } from '../../plugins/emulator/state/random.ts'
import { readSettings } from '../../plugins/emulator/cli/settings.ts'
import { wechatPay } from '../../plugins/wechat-pay.ts'
import { OPENID, testEmulator } from '../helpers/account.ts'
import { controlDocument, FILE } from '../helpers/openapi.ts'
import { freePort } from '../helpers/redis.ts'

type Emulator = Awaited<ReturnType<typeof createEmulator>>
type Tap = Parameters<typeof testEmulator>[0]

/** An account's app that records notifications; `refuses`: refuses all of them. */
async function appOf (t: Tap, config: Emulator['config'], version: 'v2' | 'v3', refuses = false) {
  const app = Fastify()
  t.teardown(() => app.close())
  const paid: string[] = []
  const port = await freePort()
  const notifyUrl = `http://127.0.0.1:${port}/wechat/notify`
  if (refuses) app.addHook('onRequest', async (_request, reply) => reply.code(503).send(''))
  app.register(wechatPay, {
    ...config,
    version,
    merchant: { ...config.merchant, notifyUrl },
    onPayment: payment => { paid.push(payment.outTradeNo) }
  })
  await app.listen({ port, host: '127.0.0.1' })
  return { app, paid, notifyUrl }
}

t.test('the same seed gives the same ids and nonces; another seed gives different ones', async t => {
  const run = async (seed: string) => {
    const emulator = await testEmulator(t, { seed, now: () => Date.UTC(2026, 0, 1) })
    const { app } = await appOf(t, emulator.config as Emulator['config'], 'v2')
    const token = await app.wechatToken.get()
    const params = await app.wechatPay.jsapi({ outTradeNo: 'SEED-1', description: 'x', amount: 1, openid: OPENID })
    return [emulator.account, token, params.package, (await emulator.pay('SEED-1')).transaction_id]
  }
  t.same(await run('a'), await run('a'))
  const [one, other] = [await run('a'), await run('b')]
  for (const [at, value] of one.entries()) t.notSame(value, other[at])
  const { below, uuid, digits } = createRandom('a')
  t.same([...new Set(Array.from({ length: 2000 }, () => below(6)))].sort(), [0, 1, 2, 3, 4, 5])
  t.match(uuid(), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/)
  t.match(digits(8), /^\d{8}$/)
})

t.test('--data: a restart keeps keys, orders, tokens, and pending notifications', async t => {
  const data = join(t.testdir({}), 'kept')
  const first = await createEmulator({ data, timeScale: 0.001, refundDelay: 60_000 })
  const refusing = await appOf(t, first.config, 'v3', true)
  const order = { description: 'x', amount: 5, openid: OPENID }
  await refusing.app.wechatPay.jsapi({ ...order, outTradeNo: 'KEPT-1' })
  const { transaction_id: id } = await first.pay('KEPT-1')
  await first.waitForNotification(({ accepted }) => !accepted)
  await first.refundInConsole('KEPT-1', 2)
  const token = await refusing.app.wechatToken.get()
  await first.advance(1000)
  const before = first.config
  await first.close()
  await refusing.app.close()
  t.equal(statSync(join(data, 'state.json')).mode & 0o777, 0o600)
  t.equal(readFileSync(join(data, 'apiclient_key.pem'), 'utf8'), before.merchant.v3.privateKey)
  t.equal(readFileSync(join(data, 'pub_key.pem'), 'utf8'), before.merchant.v3.publicKey)

  // The merchant's restart changes its port here; orders keep the notify_url they were placed with.
  const state = join(data, 'state.json')
  const receiver = Fastify()
  t.teardown(() => receiver.close())
  const bodies: unknown[] = []
  receiver.post('/wechat/notify', async request => { bodies.push(request.body); return {} })
  const origin = await receiver.listen({ port: 0, host: '127.0.0.1' })
  writeFileSync(state, readFileSync(state, 'utf8').replaceAll(refusing.notifyUrl, `${origin}/wechat/notify`))

  const second = await createEmulator({ data, timeScale: 0.001, refundDelay: 0 })
  t.teardown(second.close)
  const { endpoints: _old, ...kept } = before
  t.match(second.config, kept, 'account, keys and CA')
  t.match(second.order('KEPT-1'), { trade_state: 'REFUND', transaction_id: id })
  await second.waitForNotification(({ accepted, about }) => accepted && about === 'payment')
  await second.waitForNotification(({ accepted, about }) => accepted && about === 'refund')
  t.ok(bodies.length >= 2, 'pending notifications were sent, and the refund was settled')
  t.match(second.refunds(), [{ refund_status: 'SUCCESS', refund_fee: 2 }])
  const { app } = await appOf(t, second.config, 'v3')
  t.match(await app.wechatPay.query({ outTradeNo: 'KEPT-1' }), { transactionId: id, amount: 5 }, 'previous keys are accepted')
  t.match((await second.app.inject(`/cgi-bin/getcallbackip?access_token=${token}`)).json(), { ip_list: [/./, /./] }, 'and previous tokens')
  t.equal(await app.wechatToken.get(), token, 'the stable token is the same')
  await second.close()

  writeFileSync(state, '{"version":2}')
  await t.rejects(createEmulator({ data }), { message: /state\.json does not contain an emulator's state/ })
  writeFileSync(state, '{')
  await t.rejects(createEmulator({ data }), { message: /state\.json does not contain an emulator's state/ })
})

t.test('--data with --seed: different ids after a restart, the same ones in another run', async t => {
  const run = async (data: string) => {
    const ids = []
    for (let at = 0; at < 2; at++) {
      const emulator = await createEmulator({ data, seed: 's' })
      ids.push(emulator.account.appId, await emulator.authCode())
      await emulator.close()
    }
    return ids
  }
  const [appId, code, again, other] = await run(join(t.testdir({}), 'a'))
  t.equal(again, appId)
  t.not(other, code)
  t.same(await run(join(t.testdir({}), 'b')), [appId, code, again, other])
})

t.test('several accounts on one origin, routed by their ids', async t => {
  const emulator = await testEmulator(t, { accounts: [{ name: 'second', appId: 'wx00000000000000bb', mchId: '1900000002' }] })
  const second = emulator.named('second')
  t.match(second.config, { appId: 'wx00000000000000bb', merchant: { mchId: '1900000002' }, endpoints: { api: `${emulator.origin}/second`, pay: /^https:\/\/127\.0\.0\.1:\d+\/second$/ } })
  const { config } = emulator as unknown as Emulator
  for (const version of ['v2', 'v3'] as const) {
    // By its ids on the shared origin, and by its path.
    for (const [where, endpoints] of [['common', emulator.config.endpoints], ['own', second.config.endpoints]] as const) {
      const { app, paid } = await appOf(t, { ...second.config, endpoints }, version)
      const outTradeNo = `TWO-${version}-${where}`
      const params = await app.wechatPay.jsapi({ outTradeNo, description: 'x', amount: 7, openid: OPENID })
      t.equal(emulator.order(outTradeNo), undefined, 'not in the first account')
      t.match(second.order(outTradeNo), { mch_id: '1900000002', total_fee: 7 })
      t.match(await app.wechatPay.query({ outTradeNo }), { state: 'NOTPAY' })
      const cashier = await fetch(`${emulator.origin}/_emulator/bridge/getBrandWCPayRequest`, { method: 'POST', body: JSON.stringify(params) })
      const { cashier: path } = await cashier.json() as { cashier: string }
      t.match(await (await fetch(emulator.origin + path)).text(), /\/second\/_emulator\/orders\//, 'its own cashier')
      await second.pay(outTradeNo)
      await second.waitForNotification(({ accepted, out_trade_no: number }) => accepted && number === outTradeNo)
      t.same(paid, [outTradeNo])
      const token = await app.wechatToken.get()
      t.match(await app.wechatToken.request('/cgi-bin/getcallbackip'), { ip_list: [/./, /./] })
      t.match(await (await fetch(`${emulator.origin}/cgi-bin/getcallbackip?access_token=${token}`)).json(), { ip_list: [/./, /./] })
    }
  }
  const { app } = await appOf(t, config, 'v2')
  await app.wechatPay.jsapi({ outTradeNo: 'ONE-1', description: 'x', amount: 7, openid: OPENID })
  t.equal(second.order('ONE-1'), undefined)
  t.match(emulator.order('ONE-1'), { mch_id: emulator.account.mchId })
  t.throws(() => emulator.named('third'), { message: 'no account is named third' })
  for (const [accounts, message] of [
    [[{ name: 'a b' }], /letters, digits/], [[{ name: 'a' }, { name: 'a' }], /two accounts are named a/],
    [[{ name: 'a', appId: 'wx1' }, { name: 'b', appId: 'wx1' }], /appId wx1/], [[{ name: 'a', mchId: '19' }, { name: 'b', mchId: '19' }], /mchId 19/]
  ] as const) await t.rejects(createEmulator({ accounts: [...accounts] }), { message })
})

t.test('as an HTTPS proxy: WeChat\'s hosts with valid certificates, and no other host', async t => {
  const emulator = await testEmulator(t)
  const { hostname, port } = new URL(emulator.origin)
  const open = async (target: string) => {
    const request = httpRequest({ host: hostname, port, method: 'CONNECT', path: target }).end()
    const [reply, socket] = await once(request, 'connect')
    return { status: reply.statusCode as number, socket }
  }
  for (const host of ['api.weixin.qq.com', 'open.weixin.qq.com', 'mp.weixin.qq.com', 'api.mch.weixin.qq.com', 'api2.mch.weixin.qq.com']) {
    const { status, socket } = await open(`${host}:443`)
    t.equal(status, 200)
    const tls = tlsConnect({ socket, servername: host, ca: emulator.config.http.ca })
    await once(tls, 'secureConnect')
    t.ok(tls.authorized, host)
    tls.end('GET /cgi-bin/stable_token HTTP/1.1\r\nHost: api.weixin.qq.com\r\nConnection: close\r\n\r\n')
    let output = ''
    for await (const chunk of tls) output += chunk
    t.match(output, /43002/)
  }
  for (const target of ['example.com:443', 'api.weixin.qq.com:80', '127.0.0.1:22']) {
    const { status, socket } = await open(target)
    t.equal(status, 403, target)
    socket.destroy()
  }
})

t.test('inspection: calls with their results, and events for each change', async t => {
  const emulator = await testEmulator(t)
  const events = await fetch(`${emulator.origin}/_emulator/events`)
  const reader = (events.body as ReadableStream<Uint8Array>).getReader()
  const next = async () => new TextDecoder().decode((await reader.read()).value)
  t.equal(await next(), 'data: hello\n\n')
  await emulator.app.inject('/cgi-bin/token?appid=wx1&secret=do-not-show&grant_type=client_credential')
  t.equal(await next(), 'data: change\n\n')
  await emulator.app.inject({ method: 'POST', url: '/cgi-bin/stable_token', payload: { grant_type: 'client_credential', appid: 'x', secret: 'do-not-show' } })
  await emulator.app.inject('/nowhere')
  await emulator.app.inject('/connect/oauth2/authorize?appid=wx1')
  await emulator.app.inject({ method: 'POST', url: '/pay/orderquery', payload: '{}' })
  await emulator.fault({ kind: '502', path: '/cgi-bin' })
  await emulator.app.inject('/cgi-bin/token')
  const calls = await emulator.calls()
  t.match(calls, [
    { verdict: 'broken', reason: '502', status: 502 },
    { verdict: 'refused', reason: 'xml格式错误' },
    { verdict: 'refused', reason: '10013 AppID 参数错误', url: '/connect/oauth2/authorize?appid=wx1' },
    { verdict: 'refused', reason: 'NOT_FOUND the emulator has no GET /nowhere', url: '/nowhere' },
    { verdict: 'refused', reason: /^40013 invalid appid/, method: 'POST' },
    { verdict: 'refused', reason: /^40013 invalid appid rid: /, url: /secret=…/, status: 200 }
  ])
  t.notMatch(JSON.stringify(await Promise.all(calls.map(({ id }) => emulator.app.inject(`/_emulator/calls/${id}`).then(reply => reply.json())))), /do-not-show/)
  t.equal((await emulator.app.inject('/_emulator/calls/c999')).statusCode, 404)
  t.equal((await emulator.app.inject('/_emulator/explain/latest')).statusCode, 404)
  t.match((await emulator.app.inject('/_emulator/state')).json(), { appId: emulator.account.appId, orders: [], calls: { length: 6 }, names: [''] })
  t.match((await emulator.app.inject('/')).headers.location, '/_emulator/dashboard')
  t.match((await emulator.app.inject('/_emulator/')).headers.location, '/_emulator/dashboard')
  const page = await emulator.app.inject('/_emulator/dashboard')
  t.match(page.headers, { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': /^default-src 'none'; script-src 'self'/ })
  await reader.cancel()
  for (let at = 0; at < 510; at++) await emulator.app.inject('/nowhere')
  t.equal((await emulator.calls()).length, 500, 'the last ones are kept')
})

t.test('the control interface refuses pages whose host name resolves to this machine', async t => {
  const emulator = await testEmulator(t)
  const status = async (host: string) => (await emulator.app.inject({ url: '/_emulator/config', headers: { host } })).statusCode
  for (const host of ['localhost', '127.0.0.1:8788', '[::1]:8788', '192.168.1.7:8788', 'emulator:8788', 'laptop.local', 'shop.test', 'api.mch.weixin.qq.com']) t.equal(await status(host), 200, host)
  for (const host of ['evil.example.com', '127.0.0.1.evil.com:8788', 'localhost.evil.com', 'mch.weixin.qq.com']) t.equal(await status(host), 403, host)

  // A page of another origin cannot read the answer, but without the check the order would be paid.
  type Headers = Record<string, string>
  const post = async (headers: Headers) => (await emulator.app.inject({ method: 'POST', url: '/_emulator/tokens/expire', headers: { host: '127.0.0.1:8788', ...headers } })).statusCode
  for (const headers of [{}, { origin: 'http://127.0.0.1:8788' }, { 'sec-fetch-site': 'same-origin' }] as Headers[]) t.equal(await post(headers), 200, JSON.stringify(headers))
  for (const headers of [{ origin: 'https://evil.example.com' }, { origin: 'http://127.0.0.1:3000' }, { origin: 'null' }, { 'sec-fetch-site': 'cross-site' }] as Headers[]) t.equal(await post(headers), 403, JSON.stringify(headers))
  const linked = { host: '127.0.0.1:8788', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }
  t.equal((await emulator.app.inject({ url: '/_emulator/dashboard', headers: linked })).statusCode, 200, 'a link to the dashboard')
})

t.test('publicHost: in the certificate, the accepted host names, and the returned endpoints', async t => {
  const data = join(t.testdir({}), 'kept')
  await (await createEmulator({ data })).close()
  const emulator = await createEmulator({ data, publicHost: ['emulator', 'wechat.shop.example', '10.1.2.3', 'fd00::7'] })
  t.teardown(emulator.close)
  const config = async (host: string, query = '') => (await emulator.app.inject({ url: `/_emulator/config${query}`, headers: { host } })).json<Emulator['config']>()
  const { endpoints } = await config('wechat.shop.example:80')
  t.match(endpoints, { api: 'http://wechat.shop.example:80', pay: `https://wechat.shop.example:${emulator.securePort}` })
  t.match((await config('127.0.0.1:80', '?host=emulator')).endpoints, { api: 'http://emulator:80', pay: `https://emulator:${emulator.securePort}` })
  t.match((await config('127.0.0.1:80')).endpoints, { pay: `https://127.0.0.1:${emulator.securePort}` })
  for (const servername of ['emulator', 'wechat.shop.example', 'localhost', 'api.mch.weixin.qq.com']) {
    const tls = tlsConnect({ port: emulator.securePort, host: '127.0.0.1', servername, ca: emulator.config.http.ca })
    await once(tls, 'secureConnect')
    t.ok(tls.authorized, servername)
    const certificate = tls.getPeerX509Certificate()
    for (const address of ['10.1.2.3', 'fd00::7', '127.0.0.1', '::1']) t.equal(certificate?.checkIP(address), address)
    tls.destroy()
  }
  const shell = (await emulator.app.inject('/_emulator/config?format=env')).body
  t.equal(execFileSync('sh', ['-c', `${shell}\nprintf %s "$WECHAT_MCH_ID $WECHAT_EMULATOR_PAY"`], { encoding: 'utf8' }), `${emulator.account.mchId} https://localhost:${emulator.securePort}`)
  await emulator.close()
  for (const publicHost of ['http://emulator', 'a b', 'a:80', '']) await t.rejects(createEmulator({ publicHost }), { message: /publicHost must be a host name/ })
})

t.test('one emulator per data folder; a crashed process\'s lock is released', async t => {
  const data = join(t.testdir({}), 'kept')
  const first = await createEmulator({ data })
  await t.rejects(createEmulator({ data }), { message: new RegExp(`kept is in use by another emulator: ${first.origin} \\(process ${process.pid}\\)`) })
  await first.close()
  const lock = join(data, 'emulator.lock')
  t.notOk(existsSync(lock))
  const exitedPid = spawnSync(process.execPath, ['-e', '']).pid
  const taken = createNetServer(socket => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}')).listen(0, '127.0.0.1')
  t.teardown(() => taken.close())
  await once(taken, 'listening')
  const other = `http://127.0.0.1:${(taken.address() as AddressInfo).port}`
  for (const [left, why] of [
    [{ id: 'x', pid: exitedPid, origin: '' }, 'died while it started'], [{ id: 'x', pid: process.pid, origin: '' }, 'the same number, as in a container'],
    [{ id: 'x', pid: process.ppid, origin: other }, 'another process has its number, and something else its port'], ['{"id":', 'half written']
  ] as const) {
    writeFileSync(lock, typeof left === 'string' ? left : JSON.stringify(left))
    const emulator = await createEmulator({ data })
    t.match(JSON.parse(readFileSync(lock, 'utf8')), { pid: process.pid, origin: emulator.origin }, why)
    await emulator.close()
  }
  writeFileSync(lock, JSON.stringify({ id: 'x', pid: process.ppid, origin: '' }))
  await t.rejects(createEmulator({ data }), { message: /in use by another emulator \(process/ }, 'one that is starting')
  unlinkSync(lock)
  await t.rejects(createEmulator({ data, port: Number(new URL(other).port) }), { code: 'EADDRINUSE' })
  t.notOk(existsSync(lock), 'a failed start releases the lock')
  const four = await Promise.allSettled(Array.from({ length: 4 }, () => createEmulator({ data })))
  t.equal(four.filter(({ status }) => status === 'fulfilled').length, 1, 'of four concurrent starts, one succeeds')
  for (const one of four) if (one.status === 'fulfilled') await one.value.close()
})

t.test('waitForNotification times out with the notifications that were sent', async t => {
  const emulator = await testEmulator(t, { timeScale: 1000 })
  const { app } = await appOf(t, emulator.config as Emulator['config'], 'v2', true)
  const never = () => emulator.waitForNotification(({ out_trade_no: number }) => number === 'NEVER', { timeout: 1 })
  await t.rejects(never(), { message: 'no such notification in 0.001 s: none was sent' })
  await app.wechatPay.jsapi({ outTradeNo: 'DEAF-1', description: 'x', amount: 9, openid: OPENID })
  await emulator.pay('DEAF-1')
  await emulator.waitForNotification()
  await t.rejects(never(), { message: /1 was sent: payment DEAF-1, attempt 1 to http:\S+: not accepted, HTTP 503$/ })
})

t.test('close() does not wait for tunnels, keep-alive connections or slow merchants', async t => {
  const emulator = await createEmulator()
  const { hostname, port } = new URL(emulator.origin)
  const [, tunnel] = await once(httpRequest({ host: hostname, port, method: 'CONNECT', path: 'api.mch.weixin.qq.com:443' }).end(), 'connect')
  const kept = netConnect(Number(port), hostname)
  kept.write('GET /_emulator/health HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await once(kept, 'data')
  const events = await fetch(`${emulator.origin}/_emulator/events`)
  const secure = tlsConnect({ port: emulator.securePort, host: '127.0.0.1', ca: emulator.config.http.ca })
  await once(secure, 'secureConnect')
  const slow = createNetServer(() => {}).listen(0, '127.0.0.1')
  t.teardown(() => slow.close())
  await once(slow, 'listening')
  const sent = once(slow, 'connection')
  const { config } = emulator
  const app = Fastify()
  app.register(wechatPay, { ...config, version: 'v2', merchant: { ...config.merchant, notifyUrl: `http://127.0.0.1:${(slow.address() as AddressInfo).port}/` } })
  await app.ready()
  await app.wechatPay.jsapi({ outTradeNo: 'SLOW-1', description: 'x', amount: 9, openid: OPENID })
  await app.close()
  await emulator.pay('SLOW-1')
  const [merchant] = await sent
  const ended = [tunnel, kept, secure, merchant].map(socket => once(socket.on('error', () => {}).resume(), 'close'))
  await emulator.close()
  await Promise.all(ended)
  await events.text().catch(() => {})
  t.match(emulator.notifications().map(({ accepted }) => accepted), [false])
})

t.test('trigger: sends an event with its order, for an app without orders', async t => {
  const emulator = await testEmulator(t)
  const { app, paid, notifyUrl } = await appOf(t, emulator.bothConfig, 'v3')
  const trigger = async (payload: object) => (await emulator.app.inject({ method: 'POST', url: '/_emulator/trigger', payload: { url: notifyUrl, ...payload } })).json()
  const { out_trade_no: number } = await trigger({ event: 'payment', amount: 7 })
  t.same(paid, [number])
  t.match(await app.wechatPay.query({ outTradeNo: number }), { state: 'SUCCESS', amount: 7 })
  t.match(await trigger({ event: 'payment', v2: true, out_trade_no: 'TRIGGER-2' }), { accepted: true, request: { body: /^<xml>/ } })
  t.same(paid, [number, 'TRIGGER-2'])
  t.match(await trigger({ event: 'payment', out_trade_no: 'TRIGGER-2' }), { code: 'OUT_TRADE_NO_USED' })
  t.match(await trigger({ event: 'REFUND.CLOSED', out_trade_no: 'TRIGGER-3' }), { about: 'refund', request: { body: /"event_type":"REFUND\.CLOSED"/ } })
  t.match(emulator.refunds(), [{ out_refund_no: 'TRIGGER-3R', refund_status: 'REFUNDCLOSE' }])
  t.match(await trigger({ event: 'COMPLAINT.CREATE', content: { complaint_id: '1' } }), { about: 'event', request: { body: /"event_type":"COMPLAINT\.CREATE"/ } })
})

t.test('settleRefund accepts the states of both versions', async t => {
  const emulator = await testEmulator(t, { refundDelay: 3600, timeScale: 1 })
  const { app } = await appOf(t, emulator.bothConfig, 'v3')
  await app.wechatPay.jsapi({ outTradeNo: 'ENDS-001', description: 'x', amount: 9, openid: OPENID })
  await emulator.pay('ENDS-001')
  for (const [status, kept] of [['CLOSED', 'REFUNDCLOSE'], ['ABNORMAL', 'CHANGE'], ['CHANGE', 'CHANGE']] as const) {
    const { out_refund_no: number } = await emulator.refundInConsole('ENDS-001', 1)
    t.match(await emulator.settleRefund(number, status), { refund_status: kept })
  }
  const balance = async () => (await emulator.app.inject('/_emulator/state?brief=true')).json<{ balance: number }>().balance
  const before = await balance()
  const { out_refund_no: number } = await emulator.refundInConsole('ENDS-001', 2)
  t.equal(await balance(), before - 2)
  for (const status of ['CLOSED', 'CLOSED'] as const) await emulator.settleRefund(number, status)
  t.equal(await balance(), before, 'the money is returned once, even if settled repeatedly')
})

t.test('the control interface refuses unknown members, and its OpenAPI document is up to date', async t => {
  const emulator = await testEmulator(t)
  const post = (url: string, payload?: object | string) => emulator.app.inject({ method: 'POST', url: `/_emulator/${url}`, ...(payload !== undefined && { payload }) })
  for (const [url, payload, words] of [
    ['faults', { kind: 'hang', tymes: 2 }, /unknown member tymes/], ['faults', {}, /required property 'kind'/], ['faults', undefined, /must be object/],
    ['notifications/faults', { kind: 'burn' }, /allowed values/], ['keys/mode', { mode: 'none' }, /allowed values/], ['chaos', { seed: 1, calls: { hang: 2 } }, /<= 1/],
    ['refunds/x/settle', { status: 'LOST' }, /allowed values: SUCCESS, REFUNDCLOSE, CHANGE, CLOSED, ABNORMAL$/], ['trigger', { event: 'X.Y', url: 'http://127.0.0.1:1/' }, /X\.Y needs content; without content you can send payment, /], ['trigger', { event: 'payment', url: 'ftp://x' }, /http/], ['clock/advance', { ms: '1 day' }, /must be number/], ['tokens/expire', '{', /must be JSON/]
  ] as const) {
    t.match(await post(url, payload).then(reply => [reply.statusCode, reply.json()]), [400, { code: 'PARAM_ERROR', message: words }], url)
  }
  t.match((await post('clock/advance', { ms: 3600_000 })).json(), { now: new RegExp(`^${new Date(Date.now() + 3600_000).toISOString().slice(0, 13)}`) })
  t.match((await post('orders/none/refund')).json(), { code: 'ORDERNOTEXIST' })
  const { app } = await appOf(t, emulator.config as Emulator['config'], 'v2')
  await app.wechatPay.jsapi({ outTradeNo: 'CTL-1', description: 'x', amount: 9, openid: OPENID })
  t.match((await post('orders/CTL-1/refund')).json(), { code: 'REFUND_FEE_MISMATCH', message: '0 fen can be refunded' })
  await emulator.pay('CTL-1')
  await emulator.refundInConsole('CTL-1', 4)
  await t.rejects(emulator.refundInConsole('CTL-1', 6), { message: '5 fen can be refunded' })
  t.match(await emulator.refundInConsole('CTL-1'), { refund_fee: 5 })
  await emulator.fault({ kind: 'slow', ms: 1, times: 3 })
  await emulator.notificationFault({ kind: 'drop' })
  t.match((await emulator.app.inject('/_emulator/faults')).json(), { faults: [{ kind: 'slow', times: 3 }], notificationFaults: [{ kind: 'drop', times: 1 }] })
  t.equal(readFileSync(FILE, 'utf8'), await controlDocument(), 'run npm run openapi to update it')
  t.match(JSON.parse((await emulator.app.inject('/_emulator/openapi.json')).body), { openapi: '3.1.0', paths: { '/_emulator/orders/{number}/pay': { post: { tags: ['orders'] } } } })
})

t.test('settings: flags win over environment over file; wrong values are named', async t => {
  const dir = t.testdir({
    'a.json': JSON.stringify({ port: 1, appId: 'wx1', mchId: '19', accounts: [{ name: 'b', appId: 'wx2' }] }),
    'odd.json': '{"prot":1}',
    'broken.json': '{',
    'odd-account.json': '{"accounts":[{"name":"b","appid":"wx2"}]}',
    'nameless.json': '{"accounts":[{"appId":"wx2"}]}',
    'list.json': '[]',
    'no-list.json': '{"accounts":{}}'
  })
  const file = join(dir, 'a.json')
  t.match(readSettings(['--config', file, '--port', '3'], { WECHAT_EMULATOR_PORT: '2', WECHAT_EMULATOR_APP_ID: 'wx3' }), { options: { port: 3, securePort: 8789, appId: 'wx3', mchId: '19', accounts: [{ name: 'b' }] }, command: undefined })
  t.match(readSettings([], { WECHAT_EMULATOR_CONFIG: file, WECHAT_EMULATOR_ALLOW_PRODUCTION: 'yes' }), { options: { port: 1, allowProduction: true } })
  t.match(readSettings(['exec', '--seed', 's', '--', 'npm', 'start', '--', '--port', '1'], {}), { options: { seed: 's', port: 8788 }, command: ['npm', 'start', '--', '--port', '1'] })
  t.match(readSettings(['-h'], {}), { help: true })
  t.match(readSettings(['--version'], {}), { version: true })
  t.match(readSettings(['--public-host', 'emulator,10.0.0.9', '--public-host', 'wechat.internal', '--sub-merchant', '1900000203:wx00000000000000cc', '--sub-merchant', '1900000204'], {}),
    { options: { publicHost: ['emulator', '10.0.0.9', 'wechat.internal'], subMerchants: [{ subMchId: '1900000203', subAppId: 'wx00000000000000cc' }, { subMchId: '1900000204' }] } })
  t.match(readSettings(['pay', 'A1', '--openid', 'o1', '--url', 'http://127.0.0.1:1'], {}), { verb: { name: 'pay', words: ['A1'], flags: { openid: 'o1' } }, url: 'http://127.0.0.1:1' })
  t.match(readSettings(['exec', '--seed', 's', '--port', '1', '--', 'x'], { WECHAT_EMULATOR_MCH_ID: '19' }), { describing: ['seed'] }, 'settings for a new emulator')
  for (const [args, message] of [
    [['--port', 'x'], /^--port must be a port: a whole number from 0 to 65535$/], [['--port', ''], /--port must be a port/], [['--port', '99999'], /--port must be a port/], [['--secure-port', '1.5'], /--secure-port must be a port/],
    [['--time-scale', 'x'], '--time-scale must be a number'], [['exce', '--', 'npm'], 'unknown command exce: did you mean exec?'], [['npm', 'start'], 'unknown command npm'], [['--prot', '1'], 'unknown option --prot: did you mean --port?'],
    [['exec', 'npm', '--', 'npm'], /unexpected argument npm: put the command after --/], [['--public-host', 'a,,b'], /--public-host must be a string/], [['--sub-merchant', 'x'], /--sub-merchant must be a merchant's number/], [['--seed', ''], '--seed must be a string'], [['--key-mode', 'x'], /--key-mode must be/],
    [['exec'], /exec needs a command/], [['exec', '--'], /exec needs a command/], [['--wrong'], 'unknown option --wrong'],
    [['--config', join(dir, 'none.json')], /cannot read .*none\.json/], [['--config', join(dir, 'odd.json')], /unknown setting prot: did you mean port\?/], [['--config', join(dir, 'broken.json')], /is not JSON/],
    [['--config', join(dir, 'odd-account.json')], /accounts\[0\]: unknown setting appid: did you mean appId\?/], [['--config', join(dir, 'nameless.json')], /accounts\[0\] has no name/], [['--config', join(dir, 'list.json')], /must be an object/], [['--config', join(dir, 'no-list.json')], /accounts must be an array/]
  ] as const) t.throws(() => readSettings([...args], {}), { message })
  const emulator = await testEmulator(t, { keyMode: 'certificate' })
  const place = { config: emulator.bothConfig, origin: emulator.origin, host: '127.0.0.1', securePort: emulator.securePort }
  t.match(environmentOf(place, { folder: '/keys', proxy: 'http://127.0.0.1:7777' }, { NO_PROXY: 'intranet, 127.0.0.1', JAVA_TOOL_OPTIONS: '-Xmx1g', HTTPS_PROXY: 'http://outer:1' }), {
    WECHAT_KEYS: '/keys',
    NODE_EXTRA_CA_CERTS: '/keys/extra-ca.pem',
    SSL_CERT_FILE: '/keys/ca-bundle.pem',
    HTTPS_PROXY: 'http://127.0.0.1:7777',
    NO_PROXY: 'localhost,127.0.0.1,::1,intranet',
    WECHAT_EMULATOR_PROXY_BEFORE: 'http://outer:1',
    JAVA_TOOL_OPTIONS: /^-Xmx1g -Dhttps\.proxyHost=127\.0\.0\.1 -Dhttps\.proxyPort=7777 -Djavax\.net\.ssl\.trustStore=\/keys\/truststore\.p12 /,
    WECHAT_MCH_ID: emulator.account.mchId,
    WECHAT_PUBLIC_KEY_ID: ''
  })
})
