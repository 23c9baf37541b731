/** The connection to WeChat with one problem at a time. */
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import t from 'tap'
import { diagnose } from '../../../src/index.ts'
import { Agent } from 'undici'
import { freePort } from '../../helpers/redis.ts'
import { healthy, nameLeadsTo, reportsOnly, spoilingProxy, findProblems } from '../../helpers/doctor.ts'

t.test('one problem at a time', async t => {
  const { emulator, options, settings } = await healthy(t)
  const { endpoints, http } = options as { endpoints: Record<'api' | 'open' | 'pay' | 'payBackup', string>, http: { ca: string } }
  const at = (change: Partial<typeof endpoints>) => ({ ...options, endpoints: { ...endpoints, ...change } })
  const closed = await freePort()

  await reportsOnly(t, 'an endpoint that is not a URL', { id: 'server.endpoints', message: /base URL/ }, at({ api: 'api.weixin.qq.com' }), settings)
  await reportsOnly(t, 'an emulator endpoint in production', { id: 'server.endpoints', message: /NODE_ENV is production, but endpoints\.api points to 127/ }, options, { ...settings, env: { NODE_ENV: 'production' } })
  await reportsOnly(t, 'certificate verification disabled', { id: 'server.tls-verification', status: 'warning' }, options, { ...settings, env: { NODE_TLS_REJECT_UNAUTHORIZED: '0' } })
  await reportsOnly(t, 'a configured proxy that is not used', { id: 'server.proxy', status: 'warning', message: /^HTTPS_PROXY is set/ }, options, { ...settings, env: { HTTPS_PROXY: 'http://proxy.test:3128' } })
  t.same(await findProblems(t, options, { ...settings, env: { HTTPS_PROXY: 'http://proxy.test:3128', NO_PROXY: '127.0.0.1' } }), [], 'a proxy that is not used for WeChat')

  await reportsOnly(t, 'a host name that does not resolve', { id: 'server.dns', message: /^nowhere\.invalid does not resolve/ }, at({ api: 'http://nowhere.invalid:80' }), settings)
  await reportsOnly(t, 'a closed port', { id: 'server.connect', message: /ECONNREFUSED/ }, at({ pay: `https://127.0.0.1:${closed}`, payBackup: endpoints.pay }), settings)
  await reportsOnly(t, 'the backup host is closed', { id: 'server.connect', status: 'warning', message: /backup host/ }, at({ payBackup: `https://127.0.0.1:${closed}` }), settings)

  nameLeadsTo(t, 'two.test', '127.0.0.1', '::1')
  await reportsOnly(t, 'an unreachable IPv6 address', { id: 'server.address-families', status: 'warning', message: /IPv6/ }, at({ api: endpoints.api.replace('127.0.0.1', 'two.test') }), settings)

  await reportsOnly(t, 'an untrusted certificate authority', { id: 'server.tls', message: /issued by WeChat emulator CA/ }, { ...options, http: {} }, settings)
  const silent = createServer(socket => { socket.on('error', () => {}).end('HTTP/1.1 400 Bad Request\r\n\r\n') }).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  t.teardown(() => silent.close())
  await reportsOnly(t, 'no TLS behind https', { id: 'server.tls', message: /no TLS connection/ }, at({ pay: `https://127.0.0.1:${(silent.address() as AddressInfo).port}`, payBackup: endpoints.pay }), settings)

  const via = await spoilingProxy(t, emulator.origin, { reply: ({ headers }) => ({ headers: { ...headers, via: '1.1 squid' } }) })
  // This proxy uses no TLS towards the emulator, so there is no client certificate.
  const { cert: _cert, key: _key, ...v2 } = options.merchant.v2 as { apiKey: string, cert: string, key: string }
  await reportsOnly(t, 'a proxy that adds a header', { id: 'server.between', status: 'warning', message: /header via/ }, { ...at({ pay: via, payBackup: via }), merchant: { ...options.merchant, v2 } }, settings)

  const page = await spoilingProxy(t, emulator.origin, { request: () => ({ answer: { status: 503, body: '<html>no</html>', headers: { 'content-type': 'text/html' } } }) })
  await reportsOnly(t, 'a gateway instead of WeChat', { id: 'server.clock', message: /HTTP 503/ }, { ...at({ pay: page, payBackup: page }), http: { ...http, retries: 0 } }, settings)

  const agent = new Agent({ connect: { ca: http.ca } })
  t.teardown(() => agent.close())
  const { checks } = await diagnose({ ...options, http: { dispatcher: agent }, merchant: { ...options.merchant, v2 } }, settings)
  t.match(checks.filter(({ id }) => /^server\.(?:dns|connect|address|tls$)/.test(id)), [{ status: 'skipped' }, { status: 'skipped' }, { status: 'skipped' }, { status: 'skipped' }], 'the network is not checked with a custom dispatcher')
  t.match(checks.filter(({ status }) => status === 'failed' || status === 'warning'), [], 'but calls go through it')
})

t.test('clocks', async t => {
  for (const [ms, status, message] of [[600_000, 'failed', /(?:59\d|60\d) s behind/], [-600_000, 'failed', /(?:59\d|60\d) s ahead of/], [60_000, 'warning', /(?:5\d|6\d) s behind/]] as const) {
    const { options, settings } = await healthy(t, { now: () => Date.now() + ms })
    await reportsOnly(t, `WeChat's clock ${ms / 1000} s on`, { id: 'server.clock', status, message }, options, settings)
  }
})
