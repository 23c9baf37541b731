/** Calls through a proxy: the client certificate and CAs apply inside the tunnel, credentials only go to the proxy. */
import { inspect } from 'node:util'
import t from 'tap'
import type { Test } from 'tap'
import { createHttp } from '../../../src/http/http.ts'
import type { HttpRequest } from '../../../src/http/http.ts'
import { createPay } from '../../../src/pay/pay.ts'
import { ACCOUNT, OPENID, testEmulator } from '../../helpers/account.ts'
import { selfSigned, skip } from '../../helpers/certificates.ts'
import { freePort } from '../../helpers/redis.ts'
import { connectProxy, tlsServer } from '../../helpers/tls-server.ts'

const call = (base: string, more: Partial<HttpRequest> = {}): HttpRequest => ({ name: '/call', method: 'POST', bases: [base], path: '/call', body: 'x', repeatable: false, ...more })
const CREDENTIALS = 'shop:canary%40pass'
const VARIABLES = ['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'http_proxy', 'NO_PROXY', 'no_proxy']

function environment (t: Test, values: Record<string, string>): void {
  const before = Object.fromEntries(VARIABLES.map(name => [name, process.env[name]]))
  for (const name of VARIABLES) delete process.env[name]
  Object.assign(process.env, values)
  t.teardown(() => {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  })
}

for (const kind of ['http', 'https'] as const) {
  t.test(`mutual TLS through an ${kind} proxy with credentials`, { skip }, async t => {
    const host = selfSigned('localhost')
    const shop = selfSigned('1900000109')
    const { origin, port, count } = await tlsServer(t, { ...host, ca: shop.cert, requestCert: true }, (request, reply) => { reply.end(`${request.method} ${request.url}`) })
    const proxy = await connectProxy(t, { credentials: 'shop:canary@pass', ...(kind === 'https' && { tls: { ...host, requestCert: true, rejectUnauthorized: false } }) })
    const url = `${kind}://${CREDENTIALS}@localhost:${proxy.port}`
    const http = createHttp({ proxy: url, ca: host.cert, retries: 0 }, shop)
    t.equal((await http(call(origin))).body.toString(), 'POST /call')
    t.equal((await http(call(origin))).status, 200)
    t.same(count.clientNames, ['1900000109'], 'one tunnel for both, and the merchant\'s certificate in it')
    t.same(proxy.seen, [`localhost:${port}`])
    if (kind === 'https') t.same(proxy.clientNames, [''], 'the proxy gets no client certificate')
    await http.disconnect()

    const untrusting = createHttp({ proxy: url, retries: 0 }, shop)
    await t.rejects(untrusting(call(origin)), { code: 'WECHAT_NETWORK', reason: 'DEPTH_ZERO_SELF_SIGNED_CERT', outcome: 'not_sent', retryable: false }, 'untrusted certificates are refused, inside and outside the tunnel')
    t.equal(count.clientNames.length, 1)
    await untrusting.disconnect()

    const many = createHttp({ proxy: url, ca: host.cert, connections: 4, timeout: 60_000 }, shop)
    await Promise.all(Array.from({ length: 40 }, () => many(call(origin))))
    t.equal(count.peak, 4, 'no more tunnels than connections')
    await many.disconnect()
    t.equal(proxy.seen.length, 5 + (kind === 'http' ? 1 : 0))
  })
}

t.test('a refund with the merchant\'s certificate goes through a proxy', { skip }, async t => {
  const emulator = await testEmulator(t)
  const proxy = await connectProxy(t)
  const { config } = emulator
  const pay = createPay({ ...config, http: { ...config.http, proxy: proxy.url }, merchant: { ...config.merchant, notifyUrl: 'http://127.0.0.1:1/n' } })
  await pay.jsapi({ outTradeNo: 'PX-0001', description: 'x', amount: 100, openid: OPENID })
  await emulator.pay('PX-0001')
  t.match(await pay.refund({ outTradeNo: 'PX-0001', outRefundNo: 'PX-0001-1', amount: 100, total: 100 }), { amount: 100 })
  t.ok(proxy.seen.length >= 2)
  await pay.disconnect()
})

t.test('a proxy that refuses, is unavailable or hangs: nothing was sent, and no error contains the password', { skip }, async t => {
  const host = selfSigned('localhost')
  const { origin, count } = await tlsServer(t, host, (_request, reply) => { reply.end('ok') })
  const strict = await connectProxy(t, { credentials: 'shop:another' })
  const hanging = await connectProxy(t, { hangs: true })
  const unusedPort = await freePort()
  for (const [port, timeout, expected] of [
    [strict.port, 5000, { reason: 'PROXY_407', outcome: 'not_sent', retryable: false, message: /nothing was sent/ }],
    [unusedPort, 5000, { reason: 'ECONNREFUSED', outcome: 'not_sent', retryable: true }],
    [hanging.port, 500, { reason: 'TIMEOUT', outcome: 'not_sent', statusCode: 504 }],
    [hanging.port, 20_000, { outcome: 'not_sent', retryable: true }]
  ] as const) {
    const http = createHttp({ proxy: `http://${CREDENTIALS}@localhost:${port}`, ca: host.cert, retries: 0, timeout })
    const error = await http(call(origin)).catch((error: unknown) => error) as Error
    t.match(error, { code: 'WECHAT_NETWORK', ...expected })
    t.notMatch(inspect(error, { depth: 10, showHidden: true }) + JSON.stringify(error) + error.stack, /canary/)
    t.notMatch(inspect(http, { depth: 10, showHidden: true }), /canary/)
    await http.disconnect()
  }
  t.equal(count.total, 0)
})

t.test('proxy environment variables are only used if enabled', { skip }, async t => {
  const host = selfSigned('localhost')
  const shop = selfSigned('1900000109')
  const { origin, count } = await tlsServer(t, { ...host, ca: shop.cert, requestCert: true, rejectUnauthorized: false }, (_request, reply) => { reply.end('ok') })
  const proxy = await connectProxy(t, { credentials: 'shop:canary@pass' })
  environment(t, { HTTPS_PROXY: `http://${CREDENTIALS}@localhost:${proxy.port}` })
  const plain = createHttp({ ca: host.cert }, shop)
  t.equal((await plain(call(origin))).status, 200)
  t.same(proxy.seen, [])
  const viaEnvironment = createHttp({ ca: host.cert, proxy: 'env' }, shop)
  t.equal((await viaEnvironment(call(origin))).status, 200)
  t.equal(proxy.seen.length, 1)
  process.env.NO_PROXY = 'localhost'
  t.equal((await viaEnvironment(call(origin))).status, 200)
  t.equal(proxy.seen.length, 1, 'not for this host')
  t.same([...new Set(count.clientNames)], ['1900000109'])
  delete process.env.HTTPS_PROXY
  delete process.env.NO_PROXY
  const without = createHttp({ ca: host.cert, proxy: 'env' }, shop)
  t.equal((await without(call(origin))).status, 200, 'no proxy variables, no proxy')
  t.equal(proxy.seen.length, 1)
  await Promise.all([plain, viaEnvironment, without].map(http => http.disconnect()))

  process.env.HTTPS_PROXY = 'canary-proxy:8080'
  const error = await new Promise((_resolve, reject) => { createHttp({ proxy: 'env' }); reject(new Error('taken')) }).catch((error: unknown) => error)
  t.match(error, { code: 'WECHAT_CONFIG', option: 'http.proxy', message: /HTTPS_PROXY/ })
  t.notMatch(inspect(error, { showHidden: true }), /canary/)
})

t.test('an invalid proxy URL is refused by name, without its value', t => {
  for (const proxy of ['', 'proxy:3128', 'localhost', 'socks5://canary:1080', 'http://canary:1/path', 'http://u:%zz-canary@p:1', 'ENV', 42, {}, true]) {
    try {
      createPay({ ...ACCOUNT, http: { proxy: proxy as string } })
      t.fail(`${proxy as string} was accepted`)
    } catch (error) {
      t.match(error, { code: 'WECHAT_CONFIG', option: 'http.proxy' }, String(proxy))
      t.notMatch(inspect(error, { showHidden: true }), /canary/)
    }
  }
  t.end()
})
