/** Coexistence with the application: swagger, hooks, rate limits, type providers, parsers, error handlers; several registrations in one server. */
import swagger from '@fastify/swagger'
import rateLimit from '@fastify/rate-limit'
import { TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { Type } from 'typebox'
import { jssdk } from '../../plugins/jssdk.ts'
import { notify } from '../../plugins/notify.ts'
import { wechatPay } from '../../plugins/wechat-pay.ts'
import { ACCOUNT, OPENID, testEmulator } from '../helpers/account.ts'

const everything = { onLogin () {}, order: () => ({ outTradeNo: 'M-00001', description: 'x', amount: 1, openid: OPENID }), product: () => ({ outTradeNo: 'M-00002', description: 'x', amount: 1, productId: '1' }), onPayment () {} }

const PATHS = ['/wechat/jssdk', '/wechat/pay', '/wechat/native', '/wechat/notify', '/wechat/oauth/authorize', '/wechat/oauth/callback']

t.test('every route is described for @fastify/swagger', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(swagger, { openapi: { openapi: '3.1.0', info: { title: 'x', version: '1' } } })
  await app.register(wechatPay, { ...ACCOUNT, ...everything })
  await app.ready()
  const { paths = {} } = app.swagger() as { paths?: Record<string, Record<string, { summary?: string, tags?: string[] }>> }
  t.same(Object.keys(paths).sort(), [...PATHS].sort())
  for (const [path, methods] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(methods)) t.match(operation, { summary: /./, tags: ['wechat'] }, `${method} ${path}`)
  }
  t.match(paths['/wechat/jssdk']?.get, { parameters: [{ name: 'url', in: 'query', required: true }], responses: { 200: { content: { 'application/json': { schema: { properties: { signature: { type: 'string' } } } } } } } })
})

t.test('schemas only document; error messages come from our checks', async t => {
  const emulator = await testEmulator(t)
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(wechatPay, { ...emulator.config, merchant: { ...emulator.config.merchant, notifyUrl: 'https://shop.test/n' }, ...everything, jsApiList: ['scanQRCode'], openTagList: ['wx-open-launch-app'], debug: true })
  for (const url of ['/wechat/jssdk', '/wechat/jssdk?url=', '/wechat/jssdk?url=a&url=b']) t.match((await app.inject(url)).json(), { code: 'WECHAT_INPUT', message: /url/ }, url)
  t.match((await app.inject({ method: 'POST', url: '/wechat/jssdk', payload: { url: 5 } })).json(), { code: 'WECHAT_INPUT' })
  const config = (await app.inject('/wechat/jssdk?url=http://localhost/')).json()
  t.same(Object.keys(config).sort(), ['appId', 'debug', 'jsApiList', 'nonceStr', 'openTagList', 'signature', 'timestamp'], 'J3 exactly the parameters of wx.config')
  t.match((await app.inject({ method: 'POST', url: '/wechat/pay', payload: { any: ['thing'] } })).json(), { package: /^prepay_id=/, paySign: /./, timeStamp: /^\d+$/, timestamp: /^\d+$/ })
})

t.test('preHandler runs first on every route', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  const urls: string[] = []
  await app.register(wechatPay, {
    ...ACCOUNT,
    ...everything,
    preHandler: [async request => { urls.push(request.routeOptions.url ?? '') }, async (_request, reply) => reply.code(403).send({ message: 'not today' })]
  })
  for (const [method, url] of [['GET', '/wechat/jssdk?url=http://localhost/'], ['POST', '/wechat/jssdk'], ['POST', '/wechat/pay'], ['GET', '/wechat/oauth/authorize'], ['GET', '/wechat/oauth/callback'], ['POST', '/wechat/notify'], ['POST', '/wechat/native']] as const) {
    const isMessage = /notify|native/.test(url)
    t.match(await app.inject({ method, url, ...(method === 'POST' && { payload: isMessage ? '<xml/>' : {}, headers: { 'content-type': isMessage ? 'text/xml' : 'application/json' } }) }), { statusCode: 403, body: '{"message":"not today"}' }, url)
  }
  t.same([...new Set(urls)].sort(), [...PATHS].sort())
})

t.test('routeConfig: @fastify/rate-limit per route; a global limit applies to our routes', async t => {
  const emulator = await testEmulator(t)
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(rateLimit, { max: 3 })
  await app.register(jssdk, { ...emulator.config, routeConfig: { rateLimit: { max: 1, timeWindow: '1 minute' } } })
  await app.register(notify, { ...ACCOUNT, onPayment () {} })
  const get = async () => (await app.inject('/wechat/jssdk?url=http://localhost/')).statusCode
  t.same([await get(), await get()], [200, 429])
  const codes = []
  for (let at = 0; at < 4; at++) codes.push((await app.inject({ method: 'POST', url: '/wechat/notify', headers: { 'content-type': 'text/xml' }, payload: '<xml/>' })).statusCode)
  t.same(codes, [400, 400, 400, 429])
  t.match((await app.inject({ method: 'POST', url: '/wechat/notify', headers: { 'content-type': 'text/xml' }, payload: '<xml/>' })).body, /FAIL/, 'in WeChat\'s format')
})

t.test('with the application\'s type provider, parsers, error handler and prefix; several registrations in one server', async t => {
  const emulator = await testEmulator(t)
  const app = Fastify().withTypeProvider<TypeBoxTypeProvider>().setValidatorCompiler(TypeBoxValidatorCompiler)
  t.teardown(() => app.close())
  app.addContentTypeParser('text/xml', { parseAs: 'string' }, (_request, body, done) => done(null, { own: body }))
  app.setErrorHandler((error: Error & { statusCode?: number, code?: string }, _request, reply) => reply.code(error.statusCode ?? 500).send({ mine: error.code }))
  app.get('/typed', { schema: { querystring: Type.Object({ n: Type.Integer() }) } }, async request => ({ twice: request.query.n * 2 }))
  app.post('/own', async request => request.body)
  const { merchant: _none, ...account } = emulator.config
  const bare = app as unknown as FastifyInstance
  await bare.register(wechatPay, { ...emulator.config, merchant: { ...emulator.config.merchant, notifyUrl: 'https://shop.test/n' }, ...everything })
  await bare.register(async shop => { await shop.register(jssdk, { ...emulator.config, prefix: '/pages', namespace: 'shop' }) }, { prefix: '/shop' })
  await bare.register(async other => { await other.register(wechatPay, { ...account, prefix: '/again', namespace: 'again' }) }, { prefix: '/other' })

  t.match((await app.inject('/typed?n=4')).json(), { twice: 8 })
  t.match((await app.inject('/typed?n=x')).json(), { mine: 'FST_ERR_VALIDATION' })
  t.match((await app.inject({ method: 'POST', url: '/own', headers: { 'content-type': 'text/xml' }, payload: '<a/>' })).json(), { own: '<a/>' })
  t.match((await app.inject('/wechat/jssdk')).json(), { mine: 'WECHAT_INPUT' }, 'errors go through the application\'s handler')
  for (const url of ['/wechat/jssdk', '/shop/pages/jssdk', '/other/again/jssdk']) t.match(await app.inject(`${url}?url=http://localhost/`), { statusCode: 200 }, url)
})
