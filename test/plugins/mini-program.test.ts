/** The mini program plugin: one exchange per code, session keys stay on the server, multiple accounts, a complete purchase. */
import { inspect } from 'node:util'
import Fastify from 'fastify'
import type { FastifyReply } from 'fastify'
import t from 'tap'
import { miniProgram } from '../../plugins/mini-program.ts'
import type { MiniProgramPluginOptions, MiniProgramSession } from '../../plugins/mini-program.ts'
import { wechatPay } from '../../plugins/wechat-pay.ts'
import type { Payment } from '../../plugins/notify.ts'
import { ACCOUNT, OPENID, testEmulator } from '../helpers/account.ts'
import { skip, startRedis } from '../helpers/redis.ts'

type Tap = Parameters<typeof testEmulator>[0]

const LOGIN = '/wechat/mini-program/login'

async function host (t: Tap, options: Partial<MiniProgramPluginOptions> = {}, fastify: object = {}) {
  const emulator = await testEmulator(t)
  const sessions: MiniProgramSession[] = []
  const app = Fastify(fastify)
  t.teardown(() => app.close())
  await app.register(miniProgram, { ...emulator.bothConfig, merchant: { ...emulator.bothConfig.merchant, notifyUrl: 'https://shop.test/n' }, onLogin: session => { sessions.push(session); return { token: `of ${session.openid}` } }, ...options })
  const login = async (code: unknown) => await app.inject({ method: 'POST', url: LOGIN, payload: { code } })
  const exchanges = async () => (await emulator.calls()).filter(({ url }) => url.startsWith('/sns/jscode2session')).length
  return { emulator, app, sessions, login, exchanges }
}

t.test('a login', async t => {
  const { emulator, app, sessions, login } = await host(t)
  const reply = await login(await emulator.loginCode())
  t.match(reply, { statusCode: 200, headers: { 'cache-control': 'no-store' } })
  t.same(reply.json(), { token: `of ${OPENID}` })
  t.match(sessions[0], { openid: OPENID })
  t.equal(await app.wechatMiniProgram.checkSession(sessions[0] as MiniProgramSession), true, 'the application has the session key')
  t.equal((await app.inject({ url: LOGIN })).statusCode, 404, 'only POST')
})

t.test('a concurrent request gets the same session, a replay none: one exchange', async t => {
  const { emulator, sessions, login, exchanges } = await host(t)
  const code = await emulator.loginCode()
  await emulator.fault({ kind: 'slow', ms: 300, path: '/sns/jscode2session' })
  const replies = await Promise.all([login(code), login(code), login(code)])
  t.same(replies.map(({ statusCode }) => statusCode), [200, 200, 200])
  t.equal(new Set(sessions.map(({ sessionKey }) => sessionKey)).size, 1)
  t.match((await login(code)).json(), { statusCode: 403, code: 'WECHAT_LOGIN_CODE', message: /wx\.login again/ })
  t.equal(await exchanges(), 1)
  const bad = await Promise.all([login('unknown'), login('unknown')])
  t.same(bad.map(({ statusCode }) => statusCode), [403, 403])
  t.equal(sessions.length, 3)
})

t.test('a concurrent request at another process', { skip }, async t => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  const emulator = await testEmulator(t)
  const keys: string[] = []
  const apps = await Promise.all([0, 1].map(async () => {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(miniProgram, { ...emulator.config, merchant: undefined as never, redis: redis.client(), encryptionKey: 'a'.repeat(64), onLogin: session => { keys.push(session.sessionKey) } })
    return app
  }))
  const code = await emulator.loginCode()
  await emulator.fault({ kind: 'slow', ms: 300, path: '/sns/jscode2session' })
  const replies = await Promise.all(apps.map(app => app.inject({ method: 'POST', url: LOGIN, payload: { code } })))
  t.same(replies.map(({ statusCode }) => statusCode), [204, 204])
  t.same([keys.length, new Set(keys).size], [2, 1])
  const client = redis.client()
  const stored = await Promise.all((await client.keys('*mini-login*')).map(key => client.get(key)))
  t.equal(stored.length, 1)
  t.notMatch(String(stored), keys[0] as string, 'encrypted in Redis')
})

t.test('wrong bodies are 4xx without a call to WeChat', async t => {
  const { app, login, exchanges, sessions } = await host(t)
  for (const code of [undefined, null, 5, '', 'a b', 'x&appid=1', '%00', { a: 1 }, ['x'], 'x'.repeat(129)]) t.match((await login(code)).json(), { statusCode: 400, code: 'WECHAT_INPUT' }, String(code))
  const raw = async (payload: string, type = 'application/json') => (await app.inject({ method: 'POST', url: LOGIN, payload, headers: { 'content-type': type } })).statusCode
  for (const payload of ['{', '[]', '"x"', '5', 'null', '']) t.equal(await raw(payload), 400, payload)
  t.equal(await raw('code=x', 'application/x-www-form-urlencoded'), 415)
  t.equal(await raw(JSON.stringify({ code: 'x'.repeat(10_000) })), 413)
  t.same([await exchanges(), sessions], [0, []])
})

t.test('WeChat\'s refusals have a status for the page; transient ones can be retried', async t => {
  const { emulator, login } = await host(t)
  t.match((await login(await emulator.loginCode(OPENID, { blocked: true }))).json(), { statusCode: 403, code: 'WECHAT_API', message: 'WeChat refused this: 40226' })
  t.match((await login('none')).json(), { statusCode: 403, message: 'WeChat refused this: 40029' })
  for (const [kind, status] of [['45011', 503], ['-1', 502], ['502', 502]] as const) {
    const code = await emulator.loginCode()
    await emulator.fault({ kind, path: '/sns/jscode2session', times: 3 })
    const reply = await login(code)
    t.match(reply, { statusCode: status }, kind)
    t.match(reply.json().message, /please try again/, kind)
    await emulator.clearFaults()
    t.equal((await login(code)).statusCode, 200, `${kind}: the same code again`)
  }
})

t.test('the application can answer itself; its errors are passed through; preHandler runs first', async t => {
  const own = await host(t, { onLogin: (session, _request, reply) => reply.code(201).send({ openid: session.openid }) })
  t.match(await own.login(await own.emulator.loginCode()), { statusCode: 201 })
  const whole = await host(t, { onLogin: session => session })
  t.same((await whole.login(await whole.emulator.loginCode())).json(), { openid: OPENID }, 'a session returned by mistake contains no key')
  const failing = await host(t, { onLogin: () => { throw Object.assign(new Error('no more guests'), { statusCode: 409 }) } })
  t.match((await failing.login(await failing.emulator.loginCode())).json(), { statusCode: 409, message: 'no more guests' })
  const guarded = await host(t, { preHandler: async (_request, reply) => await reply.code(429).send() })
  t.equal((await guarded.login('x')).statusCode, 429)
  t.equal(await guarded.exchanges(), 0)
  for (const onLogin of [() => null, (_session: unknown, _request: unknown, reply: FastifyReply) => reply.header('x-session', '1')]) {
    const silent = await host(t, { onLogin })
    t.match(await silent.login(await silent.emulator.loginCode()), { statusCode: 204, body: '' }, 'null and an unsent reply are no answer')
  }
  const both = await host(t, { onMiniProgramLogin: () => ({ by: 'name' }) })
  t.same((await both.login(await both.emulator.loginCode())).json(), { by: 'name' })
})

t.test('the session key is in no log line, no answer and no error', async t => {
  const lines: string[] = []
  const logger = { level: 'trace', stream: { write: (line: string) => { lines.push(line) } } }
  const { emulator, app, sessions, login } = await host(t, {}, { logger })
  const replies: string[] = []
  const ask = async (code: unknown) => {
    const reply = await login(code)
    replies.push(JSON.stringify(reply.headers) + reply.body)
  }
  const code = await emulator.loginCode()
  await ask(code)
  await ask(code)
  await ask('none')
  const { sessionKey, openid } = sessions[0] as MiniProgramSession
  app.log.info({ session: sessions[0] }, 'the host logs the session')
  const errors: unknown[] = []
  const { wechatMiniProgram: mini } = app
  for (const attempt of [() => mini.checkSession({ openid: '', sessionKey }), () => mini.decrypt(sessionKey, 'x', 'y'), () => mini.decrypt(sessionKey, 'A'.repeat(22) + '==', 'A'.repeat(64))]) {
    try {
      await attempt()
    } catch (error) {
      errors.push(error)
    }
  }
  await emulator.fault({ kind: '48001', path: '/wxa/checksession' })
  await mini.checkSession({ openid, sessionKey }).catch((error: unknown) => errors.push(error))
  t.equal(errors.length, 4)
  const everything = [...lines, ...replies, ...errors.flatMap(error => [inspect(error, { depth: 10, showHidden: true }), JSON.stringify(error)]), inspect(app, { depth: 6 }), inspect(mini, { depth: 6 })].join('\n')
  t.notOk(everything.includes(sessionKey))
  t.notOk(lines.join('').includes(code), 'nor is the code in the log')
  t.ok(lines.length > 5, 'and the log was searched')
})

t.test('missing or wrong options stop registration', async t => {
  const { appId, appSecret } = ACCOUNT
  const tokenProvider = async () => ({ accessToken: 'x'.repeat(20), expiresIn: 7200 })
  const start = async (options: object) => {
    const app = Fastify()
    t.teardown(() => app.close())
    app.register(miniProgram, options as MiniProgramPluginOptions)
    await app.ready()
    return app
  }
  await t.rejects(start({ appId, tokenProvider, onLogin () {} }), { code: 'WECHAT_CONFIG', option: 'appSecret' })
  await t.rejects(start({ appId }), { code: 'WECHAT_CONFIG', option: 'appSecret' })
  await t.rejects(start({ appId, appSecret, sessionProvider: 'x' }), { code: 'WECHAT_CONFIG', option: 'sessionProvider' })
  const open = await start({ appId, tokenProvider, onLogin () {}, sessionProvider: async (code: string) => ({ openid: code, sessionKey: Buffer.alloc(16).toString('base64') }) })
  t.equal((await open.inject({ method: 'POST', url: LOGIN, payload: { code: OPENID } })).statusCode, 204, 'without appSecret, as with the Open Platform')
  t.notOk((await start({ appId, appSecret })).hasRoute({ method: 'POST', url: LOGIN }), 'no handler, no route')
  const named = await start({ appId, appSecret, namespace: 'mini', onLogin () {} })
  t.ok(named.hasRoute({ method: 'POST', url: '/wechat/mini/mini-program/login' }))
  t.equal((named.wechatMiniProgram as unknown as Record<string, { appId: string }>).mini?.appId, appId)
})

t.test('multiple accounts: each has its own logins', async t => {
  const emulator = await testEmulator(t, { accounts: [{ name: 'b' }] })
  const rows = { a: emulator.config, b: emulator.named('b').config } as Record<string, object>
  const seen: string[] = []
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(wechatPay, { prefix: '/wechat/:account', accounts: { find: id => rows[id] && { ...rows[id], merchant: undefined } as never }, onMiniProgramLogin: ({ openid }, request) => { seen.push(`${request.wechatAccount.id} ${openid}`) } })
  const login = async (id: string, code: string) => (await app.inject({ method: 'POST', url: `/wechat/${id}/mini-program/login`, payload: { code } })).statusCode
  const [codeA, codeB] = [await emulator.loginCode(), await emulator.named('b').loginCode()]
  t.same([await login('a', codeB), await login('b', codeA)], [403, 403], 'another mini program\'s code')
  t.same([await login('a', codeA), await login('b', codeB), await login('c', 'x')], [204, 204, 404])
  t.same(seen, [`a ${OPENID}`, `b ${OPENID}`])
  const { miniProgram: mini } = await app.wechatAccounts.get('b')
  t.match(await mini.phoneNumber(await emulator.named('b').phoneCode()), { countryCode: '86' })
})

t.test('wechatPay: a complete purchase in a mini program that shares its merchant', async t => {
  const MINI = 'wxminiprogram00001'
  const emulator = await testEmulator(t, { appIds: [MINI] })
  const paid: Payment[] = []
  const app = Fastify()
  t.teardown(() => app.close())
  const origin = 'http://127.0.0.1'
  let notifyUrl = `${origin}:1/wechat/notify`
  const options = () => ({ ...emulator.bothConfig, merchant: { ...emulator.bothConfig.merchant, notifyUrl, appIds: [MINI] } })
  const port = await (await import('../helpers/redis.ts')).freePort()
  notifyUrl = `${origin}:${port}/wechat/notify`
  await app.register(wechatPay, {
    ...options(),
    onLogin: () => { throw new Error('the Official Account\'s login is another') },
    onMiniProgramLogin: ({ openid }) => ({ openid }),
    order: request => ({ outTradeNo: 'MINI-ORDER-1', description: '咖啡', amount: 6800, openid: (request.body as { openid: string }).openid, way: 'miniProgram', appId: MINI }),
    expected: () => ({ amount: 6800, openid: OPENID }),
    onPayment: payment => { paid.push(payment) }
  })
  await app.listen({ port, host: '127.0.0.1' })
  const { openid } = (await app.inject({ method: 'POST', url: LOGIN, payload: { code: await emulator.loginCode() } })).json<{ openid: string }>()
  const params = (await app.inject({ method: 'POST', url: '/wechat/pay', payload: { openid } })).json<Record<string, string>>()
  t.same(Object.keys(params).sort(), ['nonceStr', 'package', 'paySign', 'signType', 'timeStamp'], 'the parameters of wx.requestPayment')
  await emulator.pay('MINI-ORDER-1')
  await emulator.waitForNotification(({ accepted }) => accepted)
  t.match(paid, [{ outTradeNo: 'MINI-ORDER-1', appId: MINI, amount: 6800 }], 'the payment has the mini program\'s appId')
})
