import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createAccessToken } from '../../src/official-account/access-token.ts'
import type { AccessTokenOptions } from '../../src/official-account/access-token.ts'
import { resolveEndpoints } from '../../src/options.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import { patience } from '../helpers/patience.ts'
import { ACCOUNT, testEmulator } from '../helpers/account.ts'
import { FAULTS, fakeServer, json } from '../helpers/fake-server.ts'
import type { Answer } from '../helpers/fake-server.ts'

const { appId, appSecret } = ACCOUNT
const TOKEN = { access_token: 'canary-token', expires_in: 7200 }

t.test('stable_token, token and tickets against the emulator', async t => {
  for (const tokenMode of ['stable', 'plain'] as const) {
    const emulator = await testEmulator(t)
    const token = createAccessToken({ ...emulator.config, tokenMode })
    t.match(await token.get(), tokenMode === 'stable' ? /^98_/ : /^97_/)
    t.match(await token.ticket(), /^[0-9a-f]{86}$/)
    t.not(await token.ticket('wx_card'), await token.ticket())
    t.same(await token.request('/cgi-bin/getcallbackip'), { ip_list: ['101.226.103.0', '140.207.54.0'] })
    await Promise.all(Array.from({ length: 200 }, () => token.ticket()))
    t.match(await emulator.issued(), { tokens: 1, tickets: 2, calls: { getticket: 2 } })
  }
})

t.test('T6 a revoked token: a thousand calls, one renewal, all succeed', async t => {
  const emulator = await testEmulator(t)
  const token = createAccessToken({ ...emulator.config, http: { ...emulator.config.http, timeout: patience(10_000) } })
  await token.get()
  await emulator.expireTokens()
  await Promise.all(Array.from({ length: 1000 }, () => token.request('/cgi-bin/getcallbackip')))
  t.equal((await emulator.issued()).tokens, 2)
})

t.test('T6 a second 40001 is thrown', async t => {
  const server = await fakeServer((seen, reply) => {
    reply.end(JSON.stringify(seen.url.startsWith('/cgi-bin/stable_token') ? { ...TOKEN, access_token: `canary-token-${server.seen.length}` } : { errcode: 40001, errmsg: 'invalid credential, access_token is invalid or not latest rid: 654df33c-64386a2f-29857782' }))
  })
  t.teardown(server.close)
  const token = createAccessToken({ appId, appSecret, endpoints: server.endpoints })
  await t.rejects(token.request('/cgi-bin/getcallbackip'), { code: 'WECHAT_API', wechatCode: '40001', requestId: '654df33c-64386a2f-29857782', statusCode: 502 })
  t.equal(server.seen.length, 4, 'token, call, token, call')
})

t.test('WeChat\'s replies from public sources', async t => {
  const server = await fakeServer(json({}))
  t.teardown(server.close)
  const replies: Array<[object, Record<string, unknown> & { code: string }]> = [
    [{ errcode: 40164, errmsg: 'invalid ip 120.244.112.8 ipv6 ::ffff:120.244.112.8, not in whitelist rid: 5fa26c60-1a0ebdd5-32fd1cd0' }, { code: 'WECHAT_API', wechatCode: '40164', message: /120\.244\.112\.8/, advice: /^Add 120\.244\.112\.8 to .*whitelist/, adviceZh: /120\.244\.112\.8.*白名单/, requestId: '5fa26c60-1a0ebdd5-32fd1cd0', fault: 'caller', retryable: false }],
    [{ errcode: 89503, errmsg: 'not approved' }, { code: 'WECHAT_API', wechatCode: '89503', advice: /administrator.*confirm/, adviceZh: /管理员/ }],
    [{ errcode: 40013, errmsg: 'invalid appid, hints: [ req_id: zp1Bma0037uth6 ]' }, { code: 'WECHAT_API', wechatCode: '40013', requestId: 'zp1Bma0037uth6' }],
    [{ errcode: 45009, errmsg: 'reach max api daily quota limit' }, { code: 'WECHAT_API', wechatCode: '45009', requestId: undefined }],
    [{ errcode: 99999, errmsg: `line one\nline two ${appSecret}` }, { code: 'WECHAT_API', wechatCode: '99999', wechatMessage: 'line one line two ***' }],
    [{ errcode: '40125', errmsg: 5 }, { code: 'WECHAT_API', wechatCode: '40125' }],
    [{ errcode: 40125 }, { code: 'WECHAT_API', wechatCode: '40125', wechatMessage: '' }],
    [{}, { code: 'WECHAT_REPLY' }]
  ]
  for (const [reply, error] of replies) {
    server.become(json(reply))
    const before = server.seen.length
    await t.rejects(createAccessToken({ appId, appSecret, endpoints: server.endpoints }).get(), error, JSON.stringify(reply))
    t.equal(server.seen.length - before, 1, 'one call')
  }
})

t.test('T9 only "busy", rate limits and network errors are retried', async t => {
  const server = await fakeServer(json({}))
  t.teardown(server.close)
  for (const errcode of [-1, 45011]) {
    let calls = 0
    server.become((_seen, reply) => { reply.end(JSON.stringify(++calls < 3 ? { errcode, errmsg: 'system error' } : TOKEN)) })
    t.equal(await createAccessToken({ appId, appSecret, endpoints: server.endpoints }).get(), 'canary-token')
    t.equal(calls, 3)
    calls = -100
    await t.rejects(createAccessToken({ appId, appSecret, endpoints: server.endpoints }).get(), { code: 'WECHAT_API', wechatCode: String(errcode), retryable: true })
    t.equal(calls, -97, 'with a limit')
  }
})

t.test('T9 P11 anything but WeChat\'s JSON is a typed error', async t => {
  const server = await fakeServer(json({}))
  t.teardown(server.close)
  for (const [name, fault] of Object.entries(FAULTS)) {
    server.become(fault)
    const token = createAccessToken({ appId, appSecret, endpoints: server.endpoints })
    const error = await token.get().catch((error: unknown) => error) as Error
    t.match(error, { code: /^WECHAT_(REPLY|NETWORK)$/ }, name)
    t.notMatch(JSON.stringify(error) + error.stack, new RegExp(appSecret), name)
  }
})

t.test('T12 a wrong or jumping wall clock: no expired token, no fetch loop', async t => {
  const now = Date.now
  t.teardown(() => { Date.now = now })
  const emulator = await testEmulator(t, { tokenLifetime: 2, now })
  const token = createAccessToken({ ...emulator.config, tokenMode: 'plain' })
  const startedAt = performance.now()
  for (const jump of [0, 600_000, -600_000, 86_400_000, -86_400_000, 0]) {
    Date.now = () => now() + jump
    for (let calls = 0; calls < 10; calls++) {
      // An expired token would be answered with 42001 and renewed too early.
      await token.request('/cgi-bin/getcallbackip')
      await sleep(50)
    }
  }
  const lives = (performance.now() - startedAt) / 1000
  const { tokens } = await emulator.issued()
  t.ok(tokens >= 2 && tokens <= Math.ceil(lives), `${tokens} tokens of two seconds in ${lives.toFixed(1)} s`)
})

t.test('files, and calls with a body', async t => {
  const picture = Buffer.from([0x89, 0x50, 0x4e, 0x47])
  const routes: Record<string, Answer> = {
    '/cgi-bin/stable_token': json(TOKEN),
    '/wxa/getwxacode': (_seen, reply) => { reply.setHeader('content-type', 'image/png').end(picture) },
    '/cgi-bin/menu/get': json({ errcode: 0, errmsg: 'ok', menu: {} })
  }
  const server = await fakeServer((seen, reply, request) => routes[seen.url.split('?')[0] as string]?.(seen, reply, request))
  t.teardown(server.close)
  const token = createAccessToken({ appId, appSecret, endpoints: server.endpoints })
  t.same(await token.download('/wxa/getwxacode', { json: { path: 'x' } }), picture)
  t.match(server.seen.at(-1), { method: 'POST', body: '{"path":"x"}' })
  t.match(server.seen.at(-1)?.url, /access_token=canary-token/)
  await t.rejects(token.download('/cgi-bin/menu/get'), { code: 'WECHAT_REPLY' })
  await t.rejects(token.request('/wxa/getwxacode'), { code: 'WECHAT_REPLY' })
  for (const path of ['//evil.test/x', 'https://evil.test', '/a?b=c', '/a#b', '/../a', '/a b', '']) {
    await t.rejects(token.request(path), { code: 'WECHAT_INPUT', field: 'path' }, path)
  }
  await t.rejects(token.ticket('../x'), { code: 'WECHAT_INPUT', field: 'type' })
})

t.test('an invalid token that WeChat returns again is replaced with force_refresh', async t => {
  const bodies: string[] = []
  const server = await fakeServer((seen, reply) => {
    if (seen.url !== '/cgi-bin/stable_token') return reply.end(JSON.stringify(seen.url.includes('forced') ? { ok: true } : { errcode: 42001, errmsg: 'access_token expired' }))
    bodies.push(seen.body)
    reply.end(JSON.stringify({ access_token: seen.body.includes('force_refresh') ? 'forced' : 'stuck', expires_in: 7200 }))
  })
  t.teardown(server.close)
  t.same(await createAccessToken({ appId, appSecret, endpoints: server.endpoints }).request('/cgi-bin/getcallbackip'), { ok: true })
  t.same(bodies.map(body => JSON.parse(body).force_refresh), [undefined, undefined, true])
})

t.test('defaults: real clock, no log', async t => {
  const emulator = await testEmulator(t)
  const store = createMemoryStore()
  await store.acquire(`wechat:{${emulator.account.appId}}:access_token`, 'another', 200)
  t.match(await createAccessToken({ ...emulator.config, store }).get(), /^98_/, 'waits for the other, then takes over')
  const unavailable = { ...store, acquire: async () => { throw new Error('away') } }
  t.match(await createAccessToken({ ...emulator.config, store: unavailable }).get(), /^98_/)
})

t.test('redirecting endpoints.pay also redirects the backup host', async t => {
  t.match(resolveEndpoints({ pay: 'http://127.0.0.1:1/' }), { pay: 'http://127.0.0.1:1', payBackup: 'http://127.0.0.1:1', api: 'https://api.weixin.qq.com' })
  t.match(resolveEndpoints({ pay: 'http://127.0.0.1:1', payBackup: 'http://127.0.0.1:2' }), { payBackup: 'http://127.0.0.1:2' })
  t.match(resolveEndpoints(), { pay: 'https://api.mch.weixin.qq.com', payBackup: 'https://api2.mch.weixin.qq.com' })
})

t.test('P17 E2 wrong options throw an error that names them without their value', async t => {
  const wrong: Array<[string, Partial<Record<keyof AccessTokenOptions, unknown>>]> = [
    ['appId', { appId: undefined }], ['appId', { appId: '' }], ['appId', { appId: 'wx 1' }],
    ['appSecret', { appSecret: undefined }], ['appSecret', { appSecret: '' }], ['appSecret', { appSecret: 'short' }],
    ['appSecret', { appSecret: 'YOUR_APP_SECRET_GOES_RIGHT_HERE_' }], ['appSecret', { appSecret: 'x'.repeat(32) }],
    ['appSecret', { appSecret: 'emulator000000000000000000000000' }],
    ['endpoints.api', { endpoints: { api: 'api.weixin.qq.com' } }], ['endpoints.pay', { endpoints: { pay: 'ftp://x' } }]
  ]
  for (const [option, change] of wrong) {
    try {
      createAccessToken({ appId, appSecret, ...change } as AccessTokenOptions)
      t.fail(`${option} was accepted`)
    } catch (error) {
      t.match(error, { code: 'WECHAT_CONFIG', option, message: new RegExp(`option ${option} `) })
      const value = change[option as keyof AccessTokenOptions]
      if (typeof value === 'string' && value) t.notOk(String((error as Error).message).includes(value))
    }
  }
})
