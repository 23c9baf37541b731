/** notifyUrl and origin behind proxies with one problem each. */
import Fastify from 'fastify'
import t from 'tap'
import { notify } from '../../../plugins/notify.ts'
import type { DiagnoseOptions } from '../../../src/index.ts'
import { diagnose } from '../../../src/index.ts'
import { freePort } from '../../helpers/redis.ts'
import { forwarded, healthy, reportsOnly, serverCertificate, spoilingProxy, findProblems } from '../../helpers/doctor.ts'
import type { Change, Healthy } from '../../helpers/doctor.ts'

type Options = Healthy['options']
const notifiedAt = (options: Options, notifyUrl: string | undefined): DiagnoseOptions => ({ ...options, merchant: { ...options.merchant, ...(notifyUrl === undefined ? { notifyUrl: undefined as never } : { notifyUrl }) }, origin: undefined as never, onLogin: undefined as never })

t.test('addresses', async t => {
  const { options, settings, origin } = await healthy(t)
  const closed = await freePort()
  await reportsOnly(t, 'no notifyUrl', { id: 'server.notify-url', message: /missing/ }, notifiedAt(options, undefined), settings)
  await reportsOnly(t, 'a path without a host', { id: 'server.notify-url', message: /not an absolute URL/ }, notifiedAt(options, '/wechat/notify'), settings)
  await reportsOnly(t, 'a query', { id: 'server.notify-url', message: /query/ }, notifiedAt(options, `${origin}/wechat/notify?shop=1`), settings)
  await reportsOnly(t, 'http', { id: 'server.notify-url', message: /not https/ }, notifiedAt(options, 'http://shop.test/wechat/notify'), settings)
  const offline = await findProblems(t, { ...notifiedAt(options, 'https://192.168.1.7/wechat/notify'), endpoints: undefined as never }, { ...settings, offline: true })
  t.match(offline, [{ id: 'server.notify-url', message: /192\.168\.1\.7, which is not reachable from the internet/ }])
  await reportsOnly(t, 'a closed port', { id: 'server.notify-connect', message: /ECONNREFUSED/ }, { ...options, merchant: { ...options.merchant, notifyUrl: `https://localhost:${closed}/wechat/notify` } }, settings)
  await reportsOnly(t, 'a host name that does not resolve', { id: 'server.notify-connect', message: /ENOTFOUND|EAI_AGAIN/ }, notifiedAt(options, 'https://nowhere.invalid/wechat/notify'), settings)

  await reportsOnly(t, 'no origin', { id: 'server.origin', message: /missing/ }, { ...options, origin: undefined as never }, settings)
  await reportsOnly(t, 'an origin with a path', { id: 'server.origin', message: /more than scheme and host/ }, { ...options, origin: `${origin}/shop` }, settings)
  await reportsOnly(t, 'an http origin', { id: 'server.origin', message: /not https/ }, { ...options, origin: 'http://shop.test' }, settings)
  await reportsOnly(t, 'an origin that is not a URL', { id: 'server.origin', message: /not an absolute URL/ }, { ...options, origin: 'shop.test' }, settings)
  await reportsOnly(t, 'an origin with a closed port', { id: 'server.origin-connect', message: /ECONNREFUSED/ }, { ...options, origin: `https://localhost:${closed}` }, settings)
})

t.test('certificates', async t => {
  const { options, settings, tls, inner } = await healthy(t)
  const behind = async (key: string, cert: string, name = 'localhost') => notifiedAt(options, `${(await spoilingProxy(t, inner, { request: forwarded }, { key, cert })).replace('localhost', name)}/wechat/notify`)
  const only = async (what: string, expected: Parameters<typeof reportsOnly>[2], options: DiagnoseOptions, ca = settings.ca) =>
    await reportsOnly(t, what, expected, options, { ...settings, ca: ca as string })

  await only('the link missing', { id: 'server.notify-tls', message: /chain is incomplete/, advice: /fullchain/ as never }, await behind(tls.key, tls.cert))
  await only('an untrusted certificate authority', { id: 'server.notify-tls', message: /SELF_SIGNED_CERT_IN_CHAIN.*Test Root|UNABLE_TO_GET_ISSUER_CERT/ }, await behind(tls.key, tls.cert + tls.link + tls.ca), serverCertificate().ca)
  const ended = serverCertificate({ to: -2 })
  await only('one that has ended', { id: 'server.notify-tls', message: /expired on/ }, await behind(ended.key, ended.cert + ended.link), ended.ca)
  const other = serverCertificate({ hosts: ['elsewhere.test'] })
  await only('another name', { id: 'server.notify-tls', message: /another host/ }, await behind(other.key, other.cert + other.link), other.ca)
  const soon = serverCertificate({ to: 5 })
  const found = await findProblems(t, await behind(soon.key, soon.cert + soon.link), { ...settings, ca: soon.ca })
  t.match(found[0], { id: 'server.notify-tls', status: 'warning', message: /in [45] days/ })
})

t.test('proxies before the notify route', async t => {
  const { emulator, options, settings, tls } = await healthy(t)
  // The correct setup: the shop behind a trusted proxy.
  const shop = Fastify({ trustProxy: ['127.0.0.1'] })
  let handled = 0
  await shop.register(notify, { ...emulator.bothConfig, onPayment: () => { handled++ } })
  t.teardown(() => shop.close())
  const inner = await shop.listen({ port: 0, host: '127.0.0.1' })
  const chain = { key: tls.key, cert: tls.cert + tls.link }
  const appended = (headers: Record<string, unknown>) => ({ ...headers, 'x-forwarded-proto': 'https', 'x-forwarded-for': `${String(headers['x-forwarded-for'])}, 198.51.100.7` })
  const through = async (change: Change, path = '/wechat/notify') => notifiedAt(options, `${await spoilingProxy(t, inner, { request: ({ headers }) => ({ headers: appended(headers) as never }), ...change }, chain)}${path}`)
  const answers = (status: number, body = '<html>no</html>', headers = {}) => ({ request: () => ({ answer: { status, body, headers: { 'content-type': 'text/html', ...headers } } }) }) satisfies Change

  t.same(await findProblems(t, await through({}), settings), [], 'a correct proxy')
  await reportsOnly(t, 'another path', { id: 'server.notify-route', message: /HTTP 404/ }, await through({}, '/notify'), settings)
  await reportsOnly(t, 'a redirect', { id: 'server.notify-route', message: /redirected \(HTTP 301\)/ }, await through(answers(301, '', { location: 'https://shop.test/' })), settings)
  await reportsOnly(t, 'a catch-all page that answers 200', { id: 'server.notify-route', message: /forged notification was answered with success/ }, await through(answers(200)), settings)
  await reportsOnly(t, 'a firewall', { id: 'server.notify-route', message: /rejects notifications \(HTTP 403\)/ }, await through(answers(403)), settings)
  await reportsOnly(t, 'a login in front of it', { id: 'server.notify-route', message: /rejects notifications \(HTTP 401\)/ }, await through(answers(401)), settings)
  await reportsOnly(t, 'a server that is down', { id: 'server.notify-route', message: /HTTP 502/ }, await through(answers(502)), settings)

  await reportsOnly(t, 'a body that is re-encoded', { id: 'server.notify-body', message: /others arrived|different|bytes were sent/ }, await through({ request: ({ headers, body }) => ({ headers: appended(headers) as never, body: Buffer.from(JSON.stringify(JSON.parse(body.toString()), null, 1)) }) }), settings)
  await reportsOnly(t, 'a body that is dropped', { id: 'server.notify-body', message: /received none/ }, await through({
    request: ({ headers }) => ({ headers: { ...appended(headers), 'content-length': '0' } as never, body: Buffer.alloc(0) })
  }), settings)
  await reportsOnly(t, 'headers that are dropped', { id: 'server.notify-headers', message: /wechatpay-serial, wechatpay-signature/ }, await through({
    request: ({ headers }) => ({ headers: Object.fromEntries(Object.entries(appended(headers)).filter(([name]) => !/^wechatpay-s/.test(name))) as never })
  }), settings)
  await reportsOnly(t, 'the probe\'s header dropped', { id: 'server.notify-body', status: 'warning', message: /did not recognize the probe/ }, await through({
    request: ({ headers }) => ({ headers: Object.fromEntries(Object.entries(appended(headers)).filter(([name]) => name !== 'wechat-doctor-probe')) as never })
  }), settings)
  await reportsOnly(t, 'a low body limit', { id: 'server.notify-limit', message: /rejected \(HTTP 413\)/ }, await through({
    request: ({ headers, body }) => body.length > 10_000 ? { answer: { status: 413, body: 'too large' } } : { headers: appended(headers) as never }
  }), settings)
  await reportsOnly(t, 'a truncated large body', { id: 'server.notify-limit', message: /16384/ }, await through({
    request: ({ headers, body }) => ({ headers: appended(headers) as never, body: body.subarray(0, 16_384) })
  }), settings)
  await reportsOnly(t, 'v2\'s content type dropped', { id: 'server.notify-headers', message: /content-type/ }, {
    ...await through({
      request: ({ headers }) => ({ headers: Object.fromEntries(Object.entries(appended(headers)).filter(([name]) => name !== 'content-type')) as never })
    }),
    version: 'v2'
  }, settings)
  await reportsOnly(t, 'a server with another key', { id: 'server.notify-body', status: 'warning' }, notifiedAt(options, await elsewhere()), settings)
  await reportsOnly(t, 'https treated as http', { id: 'application.trust-proxy', status: 'warning', message: /treats https as http/ }, await through({
    request: ({ headers }) => ({ headers: { ...headers, 'x-forwarded-for': `${String(headers['x-forwarded-for'])}, 198.51.100.7` } })
  }), settings)
  t.equal(handled, 0, 'no handler has seen a probe')

  async function elsewhere (): Promise<string> {
    const app = Fastify({ https: chain })
    await app.register(notify, { appId: options.appId as string, merchant: { mchId: '1900000109', v2: { apiKey: 'canaryother00000canaryother00000' } }, onPayment: () => {} })
    t.teardown(() => app.close())
    return `${(await app.listen({ port: 0, host: '127.0.0.1' })).replace('127.0.0.1', 'localhost')}/wechat/notify`
  }
})

t.test('trustProxy', async t => {
  const { emulator, options, settings, tls } = await healthy(t)
  const chain = { key: tls.key, cert: tls.cert + tls.link }
  async function shop (trustProxy: boolean | string[]): Promise<DiagnoseOptions> {
    const app = Fastify({ trustProxy })
    await app.register(notify, { ...emulator.bothConfig, onPayment: () => {} })
    t.teardown(() => app.close())
    const inner = await app.listen({ port: 0, host: '127.0.0.1' })
    return notifiedAt(options, `${await spoilingProxy(t, inner, { request: ({ headers }) => ({ headers: { ...headers, 'x-forwarded-proto': 'https', 'x-forwarded-for': `${String(headers['x-forwarded-for'])}, 198.51.100.7` } }) }, chain)}/wechat/notify`)
  }
  await reportsOnly(t, 'all proxies are trusted', { id: 'application.trust-proxy', message: /forged X-Forwarded-For/ }, await shop(true), settings)
  await reportsOnly(t, 'no proxy is trusted', { id: 'application.trust-proxy', status: 'warning', message: /sees 127\.0\.0\.1 as every client's address/ }, await shop(false), settings)
  const right = await shop(['127.0.0.1'])
  const { checks } = await diagnose(right, settings)
  t.match(checks.find(({ id }) => id === 'application.trust-proxy'), { status: 'passed', message: /198\.51\.100\.7/ })
  t.same(await findProblems(t, right, settings), [])
})

t.test('a merchant with only one version', async t => {
  for (const version of ['v2', 'v3'] as const) {
    const { options, settings } = await healthy(t)
    const { mchId, notifyUrl } = options.merchant as { mchId: string, notifyUrl: string }
    const one = { ...options, merchant: { mchId, notifyUrl, [version]: options.merchant[version] } as never }
    t.same(await findProblems(t, one, settings), [], version)
    const { checks } = await diagnose(one, settings)
    t.match(checks.filter(({ id }) => /^server\.notify-(?:body|headers|limit)$/.test(id)), [{ status: 'passed', message: /2000 bytes/ }, { status: 'passed' }, { status: 'passed', message: /60000 bytes/ }])
    t.same(checks.filter(({ id, status }) => id.startsWith(version === 'v2' ? 'v3.' : 'v2.') && status !== 'skipped'), [])
  }
  const { options, settings } = await healthy(t)
  const { merchant: _merchant, onPayment: _onPayment, order: _order, ...account } = options
  t.same(await findProblems(t, account, settings), [], 'only an Official Account')
  const { appSecret: _secret, onLogin: _onLogin, origin: _origin, ...payments } = options
  t.same(await findProblems(t, payments, settings), [], 'only payments')
})
