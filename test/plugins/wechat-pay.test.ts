import { inspect } from 'node:util'
import Fastify from 'fastify'
import t from 'tap'
import wechatPay, * as everything from '../../plugins/wechat-pay.ts'
import type { WechatPayOptions } from '../../plugins/wechat-pay.ts'
import { ACCOUNT, OPENID, testEmulator } from '../helpers/account.ts'
import { fakeServer } from '../helpers/fake-server.ts'
import { signed, payment } from '../helpers/notification.ts'
import { freePort } from '../helpers/redis.ts'

t.test('registers the plugins that its options require', async t => {
  const { appId, appSecret, merchant } = ACCOUNT
  const order = () => ({ outTradeNo: 'S1234567890', description: 'x', amount: 1, openid: OPENID })
  const cases: Array<[object, string[], string[]]> = [
    [{}, ['wechatToken', 'wechatOAuth', 'wechatJssdk'], ['GET /wechat/jssdk', 'POST /wechat/jssdk']],
    [{ onLogin: () => {} }, ['wechatOAuth'], ['GET /wechat/oauth/authorize', 'GET /wechat/oauth/callback']],
    [{ onMiniProgramLogin: () => {} }, ['wechatMiniProgram'], ['POST /wechat/mini-program/login']],
    [{ merchant }, ['wechatPay'], []],
    [{ merchant, order }, ['wechatPay'], ['POST /wechat/pay']],
    [{ merchant, order, onPayment: () => {} }, ['wechatPay'], ['POST /wechat/pay', 'POST /wechat/notify']]
  ]
  const routes = new Set(cases.flatMap(([,, routes]) => routes))
  for (const [options, decorators, present] of cases) {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(wechatPay, { appId, appSecret, ...options } as WechatPayOptions)
    for (const name of decorators) t.ok(app.hasDecorator(name), name)
    for (const route of routes) {
      const [method = '', url = ''] = route.split(' ')
      const expected = present.includes(route) || route.endsWith('/jssdk')
      t.equal(app.hasRoute({ method: method as 'GET', url }), expected, `${route} with ${Object.keys(options)}`)
    }
  }
  const wrong = Fastify()
  wrong.register(wechatPay, { appId, appSecret, onPayment: () => {} })
  await t.rejects(async () => await wrong.ready(), { code: 'WECHAT_CONFIG', option: 'merchant' })
  for (const name of ['token', 'oauth', 'jssdk', 'miniProgram', 'pay', 'notify', 'WechatError', 'WechatApiError', 'WechatConfigError']) t.type(everything[name as keyof typeof everything], 'function', name)
})

t.test('no warnings from Node.js or Fastify', async t => {
  const warnings: Error[] = []
  const onWarning = (warning: Error) => { warnings.push(warning) }
  process.on('warning', onWarning)
  t.teardown(() => process.off('warning', onWarning))
  const app = Fastify()
  await app.register(wechatPay, { ...ACCOUNT, onLogin: () => {}, onPayment: () => {} })
  await app.ready()
  await app.close()
  await new Promise(resolve => setImmediate(resolve))
  t.same(warnings, [])
})

t.test('E1 canary secrets appear in no output of any failure', async t => {
  const secrets = { appSecret: 'canary5ecret0000000000000000app1', apiKey: 'canary5ecret0000000000000000api2', token: 'canary5ecret-access-token' }
  const lines: string[] = []
  const outside: string[] = []
  let mode = 0
  // A WeChat that echoes requests in every kind of failure.
  const wechat = await fakeServer((seen, reply) => {
    const echo = `${seen.url} ${seen.body}`
    const modes = [
      () => reply.end(JSON.stringify({ errcode: 40001, errmsg: echo })),
      () => reply.end(JSON.stringify({ errcode: -1, errmsg: echo })),
      () => reply.end(`<html>${echo}</html>`),
      () => reply.writeHead(500).end(echo),
      () => reply.writeHead(302, { location: `http://x/?${echo.length}` }).end(echo),
      () => reply.destroy(),
      () => reply.end(`<xml><return_code>FAIL</return_code><return_msg><![CDATA[${secrets.apiKey} ${seen.url}]]></return_msg></xml>`),
      () => reply.end(`{"access_token":"${secrets.token}","expires_in":"x","openid":5}`)
    ]
    modes[mode]?.()
  })
  t.teardown(wechat.close)
  const { appId, merchant } = ACCOUNT
  for (mode = 0; mode < 8; mode++) {
    const app = Fastify({ logger: { level: 'trace', stream: { write: (line: string) => { lines.push(line) } } } })
    t.teardown(() => app.close())
    await app.register(wechatPay, {
      appId,
      appSecret: secrets.appSecret,
      endpoints: wechat.endpoints,
      http: { retries: 0 },
      merchant: { ...merchant, v2: { apiKey: secrets.apiKey } },
      onLogin: () => {},
      onPayment: () => {},
      order: () => ({ outTradeNo: 'S1234567890', description: 'x', amount: 1, openid: OPENID })
    })
    const redirect = await app.inject('/wechat/oauth/authorize')
    const cookies = Object.fromEntries(redirect.cookies.map(({ name, value }) => [name, value]))
    const state = /state=([0-9a-f]+)/.exec(String(redirect.headers.location))?.[1]
    const replies = await Promise.all([
      app.inject({ url: '/wechat/jssdk?url=http://localhost/', headers: { host: 'localhost' } }),
      app.inject({ method: 'POST', url: '/wechat/pay' }),
      app.inject({ url: `/wechat/oauth/callback?code=canary5ecret-code&state=${state}`, cookies }),
      app.inject({ method: 'POST', url: '/wechat/notify', payload: signed(payment()) })
    ])
    for (const reply of replies) {
      t.ok(reply.statusCode >= 400)
      outside.push(reply.body, JSON.stringify(reply.headers))
    }
    for (const call of [() => app.wechatToken.get(), () => app.wechatPay.query({ outTradeNo: 'S1234567890' }), () => app.wechatOAuth.refresh('canary5ecret-refresh')]) {
      const error = await call().catch((error: unknown) => error) as Error
      t.ok(error instanceof Error)
      outside.push(String(error.stack), JSON.stringify(error), inspect(error, { depth: 10, showHidden: true }), inspect(error.cause))
    }
    outside.push(app.printRoutes(), inspect(app))
  }
  t.notMatch(outside.join('\n'), /canary5ecret/)
  t.notMatch(lines.join('\n'), /canary5ecret/)
  t.ok(lines.length > 30)

  const emulator = await testEmulator(t)
  const live = Fastify()
  await live.register(wechatPay, { ...emulator.config, merchant: { ...emulator.config.merchant, notifyUrl: 'http://127.0.0.1:1/n' } })
  const value = await live.wechatToken.get()
  t.notMatch(inspect(live) + inspect(live.wechatToken, { depth: 10, showHidden: false }), new RegExp(value))
  await live.close()
})

t.test('without Redis the plugins share one memory store: platform certificates are fetched once', async t => {
  const emulator = await testEmulator(t, { keyMode: 'certificate' })
  const app = Fastify()
  t.teardown(() => app.close())
  const port = await freePort()
  const paid: string[] = []
  await app.register(wechatPay, { ...emulator.v3Config, merchant: { ...emulator.v3Config.merchant, notifyUrl: `http://127.0.0.1:${port}/wechat/notify` }, onPayment: payment => { paid.push(payment.outTradeNo) } })
  await app.listen({ port, host: '127.0.0.1' })
  await app.wechatPay.jsapi({ outTradeNo: 'MEM-0001', description: 'x', amount: 1, openid: OPENID })
  await emulator.pay('MEM-0001')
  await emulator.waitForNotification(({ accepted }) => accepted)
  t.same(paid, ['MEM-0001'])
  t.equal((await emulator.calls()).filter(({ url }) => url === '/v3/certificates').length, 1)
})
