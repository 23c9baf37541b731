import { createHash } from 'node:crypto'
import Fastify from 'fastify'
import t from 'tap'
import { jssdk } from '../../plugins/jssdk.ts'
import type { JssdkConfig, JssdkOptions } from '../../plugins/jssdk.ts'
import { token } from '../../plugins/token.ts'
import { testEmulator } from '../helpers/account.ts'

async function host (t: Tap, options: Partial<JssdkOptions> = {}, fastify: object = {}) {
  const emulator = await testEmulator(t)
  const app = Fastify(fastify)
  t.teardown(() => app.close())
  app.register(jssdk, { ...emulator.config, ...options })
  await app.ready()
  const ask = (url: string, headers: Record<string, string> = { host: 'shop.test' }) => app.inject({ url: `/wechat/jssdk?url=${encodeURIComponent(url)}`, headers })
  return { app, emulator, ask }
}
declare module '../../plugins/namespaces.ts' {
  interface WechatNamespaces { b: true }
}

type Tap = Parameters<typeof testEmulator>[0]

t.test('signs the page for query, JSON and form; responses are not cached', async t => {
  const { app, ask } = await host(t)
  const page = 'https://shop.test/list?q=%E5%92%96&x=1'
  const ticket = await app.wechatToken.ticket()
  const headers = { host: 'shop.test' }
  const replies = [
    await ask(`${page}#top`),
    await app.inject({ method: 'POST', url: '/wechat/jssdk', headers, payload: { url: page } }),
    await app.inject({ method: 'POST', url: '/wechat/jssdk', headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded' }, payload: `url=${encodeURIComponent(page)}` })
  ]
  for (const reply of replies) {
    t.equal(reply.statusCode, 200)
    t.equal(reply.headers['cache-control'], 'no-store')
    t.equal(reply.headers['access-control-allow-origin'], undefined)
    const { signature, nonceStr, timestamp, ...rest } = reply.json<JssdkConfig>()
    t.same(rest, { appId: app.wechatToken.appId, jsApiList: ['chooseWXPay'] })
    t.equal(signature, createHash('sha1').update(`jsapi_ticket=${ticket}&noncestr=${nonceStr}&timestamp=${timestamp}&url=${page}`).digest('hex'))
    t.notOk(reply.body.includes(ticket))
  }
})

t.test('J1 pages on other hosts are not signed', async t => {
  const { ask, app } = await host(t)
  for (const url of ['https://evil.test/', 'https://shop.test.evil.test/', 'https://evilshop.test/', 'https://shop.test:8443/', 'https://shop.test@evil.test/', 'https://evil.test\\@shop.test/', 'https://shop.test./', 'javascript:alert(1)', 'file:///etc/passwd', 'https://sh\top.test/', '/path']) {
    t.match(await ask(url), { statusCode: 403 }, url)
  }
  for (const query of ['', '?url=', '?url=https://shop.test/&url=https://shop.test/', `?url=https://shop.test/${'x'.repeat(5000)}`]) {
    t.match(await app.inject({ url: `/wechat/jssdk${query}`, headers: { host: 'shop.test' } }), { statusCode: 400 }, query.slice(0, 40))
  }
  for (const payload of [{}, { url: 5 }, { url: ['https://shop.test/'] }]) t.match(await app.inject({ method: 'POST', url: '/wechat/jssdk', payload }), { statusCode: 400 })
  t.match(await app.inject({ method: 'POST', url: '/wechat/jssdk' }), { statusCode: 400 })
  t.match(await ask('https://shop.test/', { host: 'shop.test:443' }), { statusCode: 200 }, 'the default port is ignored')
  t.match(await ask('http://SHOP.test/', { host: 'Shop.Test' }), { statusCode: 200 })
})

t.test('allowed hosts by list and by function', async t => {
  const list = await host(t, { allowedHosts: ['m.shop.test', 'localhost:3000'] })
  t.match(await list.ask('https://m.shop.test/a'), { statusCode: 200 })
  t.match(await list.ask('http://localhost:3000/a'), { statusCode: 200 })
  t.match(await list.ask('https://shop.test/a'), { statusCode: 403 })
  const decided = await host(t, { allowedHosts: async name => name.endsWith('.shop.test') })
  t.match(await decided.ask('https://a.shop.test/'), { statusCode: 200 })
  t.match(await decided.ask('https://shop.test/'), { statusCode: 403 })
})

t.test('behind a proxy, trustProxy determines the host', async t => {
  const headers = { host: 'internal:3000', 'x-forwarded-host': 'shop.test' }
  t.match(await (await host(t)).ask('https://shop.test/', headers), { statusCode: 403 })
  t.match(await (await host(t, {}, { trustProxy: true })).ask('https://shop.test/', headers), { statusCode: 200 })
})

t.test('J5 concurrent requests fetch one ticket, or share one failure', async t => {
  const { ask, emulator } = await host(t)
  await Promise.all(Array.from({ length: 300 }, () => ask('https://shop.test/')))
  t.match(await emulator.issued(), { calls: { stable_token: 1, getticket: 1 } })
  const refused = await host(t, { appSecret: 'c0ffee00c0ffee00c0ffee00c0ffee42' })
  const replies = await Promise.all(Array.from({ length: 50 }, () => refused.ask('https://shop.test/')))
  for (const reply of replies) t.match(reply.json(), { statusCode: 502, code: 'WECHAT_API' })
  t.match(await refused.emulator.issued(), { calls: { stable_token: 1, getticket: 0 } })
})

t.test('adds no other routes; its options are the defaults of config()', async t => {
  const { app } = await host(t, { jsApiList: ['scanQRCode'], openTagList: ['wx-open-launch-app'], debug: true, prefix: '/api' })
  t.equal(app.printRoutes({ commonPrefix: false }).match(/\((GET|POST|HEAD)/g)?.length, 1)
  t.ok(app.hasRoute({ method: 'GET', url: '/api/jssdk' }))
  t.match(await app.wechatJssdk.config('https://anywhere.test/'), { jsApiList: ['scanQRCode'], openTagList: ['wx-open-launch-app'], debug: true })
  t.match(await app.wechatJssdk.config('https://anywhere.test/', { debug: false }), { jsApiList: ['scanQRCode'], debug: false })
  t.notOk(app.hasDecorator('wechatPay'))
})

t.test('several accounts: the application\'s token plugin, another account\'s, and namespaces', async t => {
  const [a, b] = [await testEmulator(t), await testEmulator(t)]
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(token, a.config)
  await app.register(jssdk, a.config)
  await app.register(jssdk, { ...b.config, namespace: 'b' })
  await app.register(async scope => { await scope.register(token, { ...b.config, namespace: 'c' }) })
  t.match(await app.wechatJssdk.config('https://shop.test/'), { appId: a.account.appId })
  t.match(await app.wechatJssdk.b.config('https://shop.test/'), { appId: b.account.appId })
  t.match(await app.inject({ url: '/wechat/b/jssdk?url=https://shop.test/', headers: { host: 'shop.test' } }), { statusCode: 200 })
  t.match(await a.issued(), { tokens: 1, tickets: 1 })
  t.match(await b.issued(), { tokens: 1, tickets: 1 })
  const twice = Fastify()
  twice.register(token, { ...b.config, namespace: 'b' })
  twice.register(token, { ...b.config, namespace: 'b' })
  await t.rejects(async () => await twice.ready(), { code: 'WECHAT_CONFIG', option: 'namespace' })

  const mixed = Fastify()
  t.teardown(() => mixed.close())
  await mixed.register(token, a.config)
  await mixed.register(jssdk, { ...b.config, prefix: '/b' })
  t.match(await mixed.wechatJssdk.config('https://shop.test/'), { appId: b.account.appId })
  t.equal((await b.issued()).tickets, 2, 'its own account\'s token')
})

t.test('J4 keeps the application\'s form parser; T14 warns if processes do not share a store', async t => {
  const lines: string[] = []
  process.env.WEB_CONCURRENCY = '4'
  t.teardown(() => { delete process.env.WEB_CONCURRENCY })
  const emulator = await testEmulator(t)
  const app = Fastify({ logger: { level: 'warn', stream: { write: (line: string) => { lines.push(line) } } } })
  t.teardown(() => app.close())
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) => done(null, Object.fromEntries(new URLSearchParams(String(body)))))
  await app.register(jssdk, emulator.config)
  t.match(await app.inject({ method: 'POST', url: '/wechat/jssdk', headers: { host: 'shop.test', 'content-type': 'application/x-www-form-urlencoded' }, payload: 'url=https://shop.test/' }), { statusCode: 200 })
  t.match(lines.join(), /no redis option/)
})
