/** W1: errors shown to visitors contain no addresses, ids or operator messages; the log does. */
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import wechatPay, { WechatApiError, WechatConfigError, WechatError } from '../../plugins/wechat-pay.ts'
import type { WechatPayOptions } from '../../plugins/wechat-pay.ts'
import { forVisitors } from '../../plugins/visitors.ts'
import { ACCOUNT, OPENID } from '../helpers/account.ts'
import { fakeServer } from '../helpers/fake-server.ts'

/** A recorded reply (github.com/crawlab-team/artipub, issue 112), with a documentation IP address. */
const NOT_WHITELISTED = JSON.stringify({ errcode: 40164, errmsg: 'invalid ip 203.0.113.77 ipv6 ::ffff:203.0.113.77, not in whitelist rid: 5fa26c60-1a0ebdd5-32fd1cd0' })
const OPERATORS = /203\.0\.113\.77|5fa26c60|whitelist|127\.0\.0\.1|no such secret|unknown outcome|stable_token|unifiedorder/

type Answer = Parameters<typeof fakeServer>[0]

async function host (t: { teardown (end: () => unknown): unknown }, answer: Answer, { options = {}, prepare = () => {}, after = () => {} }: { options?: Partial<WechatPayOptions>, prepare? (app: FastifyInstance): unknown, after? (app: FastifyInstance): unknown } = {}) {
  const wechat = await fakeServer(answer)
  t.teardown(wechat.close)
  const lines: string[] = []
  const app: FastifyInstance = Fastify({ logger: { level: 'info', stream: { write: (line: string) => { lines.push(line) } } } })
  t.teardown(() => app.close())
  await prepare(app)
  app.register(wechatPay, { ...ACCOUNT, endpoints: wechat.endpoints, http: { retries: 0 }, onLogin () {}, order: () => ({ outTradeNo: 'W1-00001', description: 'x', amount: 1, openid: OPENID }), ...options })
  await after(app)

  async function everyRoute () {
    const redirect = await app.inject('/wechat/oauth/authorize')
    const cookies = Object.fromEntries(redirect.cookies.map(({ name, value }) => [name, value]))
    const state = /state=([0-9a-f]+)/.exec(String(redirect.headers.location))?.[1]
    return await Promise.all([
      app.inject('/wechat/jssdk?url=http://localhost/'),
      app.inject({ method: 'POST', url: '/wechat/jssdk', payload: { url: 'http://localhost/' } }),
      app.inject({ method: 'POST', url: '/wechat/pay' }),
      app.inject({ url: `/wechat/oauth/callback?code=abc&state=${state}`, cookies })
    ])
  }
  return { app, lines, everyRoute }
}

t.test('W1 visitors get a general message for any WeChat error; the log has the details', async t => {
  const cases: Array<[name: string, answer: Answer, logged: RegExp]> = [
    ['an address that is not on the whitelist', (_seen, reply) => reply.end(NOT_WHITELISTED), /40164 invalid ip 203\.0\.113\.77.*rid: 5fa26c60/],
    ['no answer', (_seen, reply) => { reply.destroy() }, /unknown outcome/],
    ['a gateway', (_seen, reply) => reply.writeHead(502).end('<html>203.0.113.77</html>'), /HTTP 502/],
    ['garbage', (_seen, reply) => reply.end('203.0.113.77'), /the answer is not JSON/],
    ['a refused order', (_seen, reply) => reply.end('<xml><return_code>FAIL</return_code><return_msg><![CDATA[no such secret 203.0.113.77]]></return_msg></xml>'), /no such secret 203\.0\.113\.77/]
  ]
  for (const [name, answer, logged] of cases) {
    const { lines, everyRoute } = await host(t, answer)
    for (const reply of await everyRoute()) {
      t.ok(reply.statusCode >= 400, name)
      t.same(Object.keys(reply.json()).sort(), ['code', 'error', 'message', 'statusCode'])
      t.match(reply.json(), { code: /^WECHAT_(?:API|NETWORK|REPLY)$/, message: /^WeChat [a-z ;']+$/ }, `${name}: ${reply.body}`)
      t.notMatch(reply.body + JSON.stringify(reply.headers), OPERATORS, name)
    }
    t.match(lines.join(''), logged, name)
    t.match(lines.join(''), /"statusCode":50[0-9]/)
  }
})

t.test('W1 errors caused by the visitor or thrown by the application are passed through', async t => {
  const paid = await host(t, (_seen, reply) => reply.end(), { options: { order: () => { throw new WechatApiError('/pay/unifiedorder was refused by WeChat: ORDERPAID 203.0.113.77', { wechatCode: 'ORDERPAID', statusCode: 409 }) } } })
  t.same((await paid.app.inject({ method: 'POST', url: '/wechat/pay' })).json(), { statusCode: 409, code: 'WECHAT_API', error: 'Conflict', message: 'WeChat refused this: ORDERPAID' })
  const soldOut = await host(t, (_seen, reply) => reply.end(), { options: { order: () => { throw Object.assign(new Error('sold out at 203.0.113.77'), { statusCode: 500 }) } } })
  t.match((await soldOut.app.inject({ method: 'POST', url: '/wechat/pay' })).json(), { message: 'sold out at 203.0.113.77' })
  const setUp = await host(t, (_seen, reply) => reply.end(), { options: { order: () => ({ way: 'x' }) as never } })
  t.same((await setUp.app.inject({ method: 'POST', url: '/wechat/pay' })).json(), { statusCode: 500, code: 'WECHAT_CONFIG', error: 'Internal Server Error', message: 'this server is not configured for this' })
  t.match(setUp.lines.join(''), /option order must return an order whose way/)
  const { app } = setUp
  t.match((await app.inject('/wechat/jssdk')).json(), { statusCode: 400, message: 'url must be the URL of the page, given once' })
  t.match((await app.inject('/wechat/jssdk?url=https://evil.test/')).json(), { statusCode: 403, message: 'this server does not sign this page' })
  t.match((await app.inject('/wechat/oauth/callback?code=abc')).json(), { statusCode: 403, message: /this login was not started in this browser/ })
})

t.test('W1 the application\'s error handler gets the complete error, in any scope and registration order', async t => {
  const seen: Array<Error & { cause?: Error }> = []
  const mine = (app: FastifyInstance) => { app.setErrorHandler((error: Error & { cause?: Error }, _request, reply) => { seen.push(error); return reply.code(418).send({ mine: error.message }) }) }
  const hooked: Error[] = []
  const before = await host(t, (_seen, reply) => reply.end(NOT_WHITELISTED), { prepare: mine })
  const after = await host(t, (_seen, reply) => reply.end(NOT_WHITELISTED), { after: mine, prepare: app => { app.addHook('onError', async (_request, _reply, error) => { hooked.push(error) }) } })
  for (const { app } of [before, after]) {
    t.match(await app.inject('/wechat/jssdk?url=http://localhost/'), { statusCode: 418, body: '{"mine":"WeChat refused this server\'s call"}' })
  }
  t.equal(seen.length, 2)
  for (const error of seen) {
    t.ok(error instanceof WechatApiError && error instanceof Error)
    t.match(error, { code: 'WECHAT_API', statusCode: 502, wechatCode: '40164', name: 'WechatApiError', fault: String, advice: String })
    t.match(error.cause?.message, /203\.0\.113\.77/)
    t.equal(error.stack?.split('\n')[0], 'WechatApiError: WeChat refused this server\'s call')
    t.match(error.stack, /\n {4}at /)
  }
  t.equal(hooked.length, 1, 'onError is called once')
  t.match(hooked[0]?.message, /203\.0\.113\.77/, 'with the complete error')
})

t.test('errors of the store and of timers are hidden from visitors, too', t => {
  for (const [error, message] of [
    [new WechatError('WECHAT_STORE', 'the shared store failed (10.0.0.5)', { statusCode: 503 }), 'this is not possible at the moment; please try again'],
    [new WechatError('SOLD_OUT', 'sold out', { statusCode: 503 }), 'sold out'],
    [new WechatConfigError('x', 'is wrong'), 'this server is not configured for this'],
    [new WechatApiError('x', { retryable: true, statusCode: 503 }), 'WeChat is busy; please try again'],
    [new Error('mine'), 'mine']
  ] as const) t.equal((forVisitors(error) as Error).message, message)
  for (const odd of [undefined, null, 'text', {}]) t.equal(forVisitors(odd), odd)
  t.end()
})
