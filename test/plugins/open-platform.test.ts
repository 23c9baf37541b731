import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { wechatPay, openPlatform } from '../../plugins/wechat-pay.ts'
import type { OpenPlatformOptions } from '../../plugins/open-platform.ts'
import type { Redis } from 'ioredis'
import { fakePlatform } from '../helpers/platform.ts'
import { around, authorizedDocument, PLATFORM, seal, ticketDocument, unauthorizedDocument } from '../helpers/push.ts'
import { skip, startRedis } from '../helpers/redis.ts'
import { until } from '../helpers/until.ts'
import { createMiniProgram } from '../../src/mini-program/mini-program.ts'

const SHOP = 'wxa000000000000001'
type Wechat = Awaited<ReturnType<typeof fakePlatform>>
type Given = { appId: string, refreshToken: string, reason: string, funcInfo?: number[] }

/** The application's records, in memory; onAuthorized throws `books.fail` if it is set. */
function books () {
  const given: Given[] = []
  const tokens = new Map<string, string>()
  const withdrawn: string[] = []
  const held = { given, tokens, withdrawn, fail: undefined as Error | undefined }
  return Object.assign(held, {
    options: {
      onAuthorized ({ appId, refreshToken, reason, funcInfo }: Given) {
        if (held.fail) throw held.fail
        given.push({ appId, refreshToken, reason, ...(funcInfo && { funcInfo }) })
        tokens.set(appId, refreshToken)
      },
      refreshTokenOf: (appId: string) => tokens.get(appId),
      onUnauthorized (appId: string) {
        withdrawn.push(appId)
        tokens.delete(appId)
      }
    }
  })
}
type Books = ReturnType<typeof books>

async function host (t: Test, wechat: Wechat, { options }: Books, more: Partial<OpenPlatformOptions> & { redis?: Redis } = {}, before: (app: FastifyInstance) => unknown = () => {}) {
  const lines: string[] = []
  const app = Fastify({ logger: { level: 'trace', stream: { write: (line: string) => { lines.push(line) } } } })
  t.teardown(() => app.close())
  await before(app)
  await app.register(openPlatform, { ...PLATFORM, endpoints: wechat.endpoints, ...options, ...more })
  await app.ready()
  const push = (document: string) => app.inject(seal(document))
  return { app, lines, push, platform: app.wechatOpenPlatform }
}

/** Starts an authorization; returns the cookie and the callback path with this code. */
async function startAuthorization (app: FastifyInstance, query = '') {
  const reply = await app.inject({ url: `/wechat/open-platform/authorize${query}`, headers: { 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64)' } })
  const to = new URL(String(reply.headers.location))
  const back = new URL(to.searchParams.get('redirect_uri') as string)
  const [cookie] = reply.cookies
  const cookies = { [cookie?.name as string]: cookie?.value as string }
  return { reply, to, cookies, state: back.searchParams.get('state'), visit: (code: string, jar = cookies) => app.inject({ url: `${back.pathname}${back.search}&auth_code=${encodeURIComponent(code)}&expires_in=3600`, cookies: jar }) }
}

t.test('from the first ticket to the withdrawal', async t => {
  const wechat = await fakePlatform(t)
  const records = books()
  const returned: object[] = []
  const { app, push, platform, lines } = await host(t, wechat, records, { onReturn: authorization => { returned.push(authorization) }, defaultReturnTo: '/shops' },
    app => app.register(wechatPay, { prefix: '/s/:account', accounts: { find: (id: string) => records.tokens.has(id) ? app.wechatOpenPlatform.authorizer(id) : undefined }, onLogin: (user, _request, reply) => reply.send({ openid: user.openid }) }))
  await t.rejects(platform.token(), { code: 'WECHAT_TICKET', statusCode: 503 }, 'no ticket yet')
  await platform.startPushTicket()

  const ticket = await push(ticketDocument())
  t.match(ticket, { statusCode: 200, body: 'success', headers: { 'content-type': /^text\/plain/ } })
  const { to, visit, reply } = await startAuthorization(app, '?returnTo=/shops/1')
  t.match(reply, { statusCode: 302, headers: { 'cache-control': 'no-store' } })
  t.match(reply.cookies[0], { httpOnly: true, sameSite: 'Lax', path: '/wechat/open-platform' })
  t.equal(`${to.origin}${to.pathname}`, 'http://mp.test/cgi-bin/componentloginpage')
  t.match(Object.fromEntries(to.searchParams), { component_appid: PLATFORM.componentAppId, pre_auth_code: /^preauthcode@@@/, auth_type: '3' })
  const phone = await app.inject({ url: '/wechat/open-platform/authorize', headers: { 'user-agent': 'Mozilla/5.0 (iPhone) MicroMessenger/8.0' } })
  t.match(phone.headers.location, /^http:\/\/open\.test\/wxaopen\/safe\/bindcomponent\?action=bindcomponent&no_scan=1&component_appid=\w+&pre_auth_code=preauthcode%40%40%40p\d+&redirect_uri=http[^&]+&auth_type=3#wechat_redirect$/)

  t.equal((await app.inject(`/s/${SHOP}/jssdk?url=http://localhost/`)).statusCode, 404, 'no account yet')
  const code = wechat.allow(SHOP)
  const [back, duplicate, event] = await Promise.all([visit(code), visit(code), push(authorizedDocument(SHOP, code))])
  t.match([back, duplicate], [{ statusCode: 302, headers: { location: '/shops/1' } }, { statusCode: 302 }])
  t.match(event, { statusCode: 200, body: 'success' })
  t.equal(wechat.count['/cgi-bin/component/api_query_auth'], 1, 'redeemed once for two concurrent requests and the event')
  t.match(records.given, [{ appId: SHOP, refreshToken: /^refreshtoken@@@/, funcInfo: [1, 15] }])
  t.equal(records.given.length, 1, 'onAuthorized was called once')
  t.match(returned[0], { appId: SHOP, funcInfo: [1, 15] })

  // Cached as unknown: looked up again.
  app.wechatAccounts.forget(SHOP)
  const signed = await app.inject(`/s/${SHOP}/jssdk?url=http://localhost/`)
  t.match(signed, { statusCode: 200 }, signed.body)
  t.match(signed.json(), { appId: SHOP })
  t.equal(wechat.count['/cgi-bin/component/api_authorizer_token'], undefined, 'the token that came with the authorization is used')

  // A visitor of that account logs in through the platform.
  const login = await app.inject(`/s/${SHOP}/oauth/authorize`)
  const consent = new URL(String(login.headers.location))
  t.match(String(login.headers.location), new RegExp(`/connect/oauth2/authorize\\?appid=${SHOP}&redirect_uri=.*&state=[0-9a-f]{32}&component_appid=${PLATFORM.componentAppId}#wechat_redirect$`))
  const jar = { [login.cookies[0]?.name as string]: login.cookies[0]?.value as string }
  const at = (appid: string) => app.inject({ url: `/s/${SHOP}/oauth/callback?code=goodcode&state=${consent.searchParams.get('state')}${appid}`, cookies: jar })
  t.match([await at('&appid=wxb000000000000002'), await at('')], [{ statusCode: 400 }, { statusCode: 400 }], 'the login of another account')
  t.match((await at(`&appid=${SHOP}`)).json(), { openid: `openid-${SHOP}` })
  const session = await platform.authorizer(SHOP).login('goodcode')
  t.equal(session.sessionKey, 'c2Vzc2lvbi1rZXktMTIzNA==')
  t.notMatch(JSON.stringify(session), /sessionKey|c2Vzc2/)
  const { sessionKey } = await createMiniProgram({ ...platform.authorizer(SHOP) }).login('goodcode')
  t.equal(sessionKey, session.sessionKey, 'and in that account\'s mini program')
  await t.rejects(platform.authorizer(SHOP).login('badcode'), { code: 'WECHAT_API', message: /40029/ })

  wechat.state.refreshTokens.delete(SHOP)
  wechat.state.accessTokens.delete(SHOP)
  t.match(await push(unauthorizedDocument(SHOP)), { body: 'success' })
  t.same(records.withdrawn, [SHOP])
  t.equal((await app.inject(`/s/${SHOP}/jssdk?url=http://localhost/`)).statusCode, 404, 'no longer an account')
  await t.rejects(platform.authorizer(SHOP).token.get(), { code: 'WECHAT_UNAUTHORIZED', statusCode: 403 })
  records.tokens.set(SHOP, 'refreshtoken@@@old')
  await t.rejects(platform.authorizer('wxc000000000000003').token.get(), { code: 'WECHAT_UNAUTHORIZED' })
  const log = lines.join('')
  for (const secret of [PLATFORM.componentAppSecret, PLATFORM.token, PLATFORM.encodingAesKey, code, encodeURIComponent(code), 'refreshtoken@@@', 'ticket@@@', ...wechat.state.componentTokens, 'goodcode']) t.notOk(log.includes(secret), `the log contains no ${secret.slice(0, 12)}`)
})

t.test('a failing onAuthorized is called again, and nothing is lost', async t => {
  const wechat = await fakePlatform(t)
  const records = books()
  const { push, platform } = await host(t, wechat, records)
  await push(ticketDocument())
  const code = wechat.allow(SHOP)
  const document = authorizedDocument(SHOP, code)
  records.fail = new Error('the database is away')
  t.match(await push(document), { statusCode: 500, body: 'fail' })
  t.equal((await push(document)).statusCode, 500, 'WeChat sends it again')
  await t.rejects(platform.authorizer(SHOP).token.get(), { code: 'WECHAT_PROVIDER' }, 'no token before onAuthorized has resolved')
  t.same(records.given, [])
  records.fail = undefined
  t.match(await push(document), { statusCode: 200, body: 'success' })
  t.match(records.given, [{ refreshToken: wechat.state.refreshTokens.get(SHOP), reason: 'authorized' }])
  t.equal(wechat.count['/cgi-bin/component/api_query_auth'], 1)
  t.equal((await push(document)).body, 'success', 'and again')
  t.equal(records.given.length, 1)

  // No repeated push is needed: the next ticket triggers the retry.
  const second = wechat.allow('wxb000000000000002')
  records.fail = new Error('away')
  t.equal((await push(authorizedDocument('wxb000000000000002', second))).statusCode, 500)
  records.fail = undefined
  // The options were copied at registration, so use a second application with the same records.
  const later = await host(t, wechat, records)
  t.ok(later)
  await push(ticketDocument())
  await until(() => records.given.length > 1)
  t.match(records.given[1], { appId: 'wxb000000000000002', refreshToken: wechat.state.refreshTokens.get('wxb000000000000002') })
})

t.test('a refresh token in an error of onAuthorized is not logged', async t => {
  const wechat = await fakePlatform(t)
  const records = books()
  let thrown = 0
  const { push, lines } = await host(t, wechat, records, {
    onAuthorized ({ refreshToken }) {
      const message = thrown++ === 0 ? `duplicate entry ${refreshToken}` : 'insert failed'
      throw Object.assign(new Error(message), { parameters: [{ refreshToken: `${refreshToken}` }], statusCode: 503 })
    }
  })
  await push(ticketDocument())
  const document = authorizedDocument(SHOP, wechat.allow(SHOP))
  for (let at = 0; at < 2; at++) t.match(await push(document), { statusCode: 503, body: 'fail' })
  const log = lines.join('')
  t.match(log, /duplicate entry \*\*\*/)
  t.match(log, /insert failed/)
  t.notMatch(log, wechat.state.refreshTokens.get(SHOP) as string)
})

t.test('WxJava 1119: a new refresh token is acknowledged before the access_token is used', async t => {
  const wechat = await fakePlatform(t)
  const records = books()
  const { push, platform } = await host(t, wechat, records)
  await push(ticketDocument())
  wechat.state.refreshTokens.set(SHOP, 'refreshtoken@@@first')
  records.tokens.set(SHOP, 'refreshtoken@@@first')
  wechat.state.rotates = true
  records.fail = new Error('the database is away')
  const { tokenProvider } = platform.authorizer(SHOP)
  await t.rejects(tokenProvider({ force: false }), { message: 'the database is away' })
  const second = wechat.state.refreshTokens.get(SHOP)
  t.not(second, 'refreshtoken@@@first')
  await t.rejects(tokenProvider({ force: false }), { message: 'the database is away' })
  t.equal(wechat.state.refreshTokens.get(SHOP), second, 'no further refresh before onAuthorized has resolved')
  records.fail = undefined
  t.match(await tokenProvider({ force: false }), { accessToken: /^shop/, expiresIn: 7200 })
  t.match(records.given, [{ refreshToken: second, reason: 'refreshed' }, { refreshToken: wechat.state.refreshTokens.get(SHOP), reason: 'refreshed' }])
  t.equal(records.tokens.get(SHOP), wechat.state.refreshTokens.get(SHOP))

  wechat.state.rotates = false
  records.tokens.set(SHOP, 'refreshtoken@@@lost')
  t.match(await tokenProvider({ force: false }).catch((error: unknown) => error), { wechatCode: '61023', advice: /authorizers\(\)/, adviceZh: /authorizers/ })
  const listed = []
  for await (const one of platform.authorizers()) listed.push({ appId: one.appId, refreshToken: one.refreshToken })
  t.same(listed, [{ appId: SHOP, refreshToken: wechat.state.refreshTokens.get(SHOP) }])
})

t.test('a code redeemed by a crashed process: the refresh token is fetched again', async t => {
  const wechat = await fakePlatform(t)
  const records = books()
  const { push, app } = await host(t, wechat, records)
  await push(ticketDocument())
  wechat.state.refreshTokens.set('wxb000000000000002', 'refreshtoken@@@other')
  wechat.state.refreshTokens.set(SHOP, 'refreshtoken@@@saved')
  t.match(await push(authorizedDocument(SHOP, 'queryauthcode@@@spent')), { statusCode: 200 })
  t.match(records.given, [{ appId: SHOP, refreshToken: 'refreshtoken@@@saved', reason: 'recovered' }])
  const { visit } = await startAuthorization(app)
  t.match(await visit('queryauthcode@@@nobodys'), { statusCode: 403 }, 'for a browser\'s code the account is unknown')
})

t.test('a late withdrawal does not undo a newer authorization', async t => {
  const wechat = await fakePlatform(t)
  const records = books()
  const { push } = await host(t, wechat, records)
  await push(ticketDocument())
  const now = Math.floor(Date.now() / 1000)
  t.equal((await push(authorizedDocument(SHOP, wechat.allow(SHOP), 'authorized', now))).body, 'success')
  t.equal((await push(unauthorizedDocument(SHOP, now - 20))).body, 'success')
  t.same(records.withdrawn, [])
  t.equal((await push(unauthorizedDocument(SHOP, now + 1))).body, 'success')
  t.same(records.withdrawn, [SHOP])
})

t.test('the callback accepts only the browser that started, and one code', async t => {
  const wechat = await fakePlatform(t)
  const records = books()
  const { app, push } = await host(t, wechat, records)
  await push(ticketDocument())
  const mine = await startAuthorization(app)
  const theirs = await startAuthorization(app)
  const code = wechat.allow(SHOP)
  const crossed = Object.fromEntries(Object.keys(mine.cookies).map(name => [name, Object.values(theirs.cookies)[0] as string]))
  t.match(await Promise.all([mine.visit(code, {}), mine.visit(code, theirs.cookies), mine.visit(code, crossed), app.inject(`/wechat/open-platform/callback?auth_code=${encodeURIComponent(code)}`)]), Array(4).fill({ statusCode: 403 }))
  for (const bad of ['', 'a b', 'a\nb', 'x'.repeat(600)]) t.match(await mine.visit(bad), { statusCode: 400 })
  t.equal(wechat.count['/cgi-bin/component/api_query_auth'], undefined, 'nothing was redeemed')
  t.match(await mine.visit(code), { statusCode: 302, headers: { location: '/' } })
  t.match(await mine.visit(wechat.allow('wxb000000000000002')), { statusCode: 403 }, 'nor with another code')
  for (const returnTo of ['//evil.test', 'https://evil.test', '/\\evil.test']) {
    const { visit } = await startAuthorization(app, `?returnTo=${encodeURIComponent(returnTo)}`)
    t.match(await visit(wechat.allow(SHOP)), { statusCode: 302, headers: { location: '/' } }, returnTo)
  }
})

t.test('hostile pushes are refused without side effects, and the next genuine one is accepted', async t => {
  const wechat = await fakePlatform(t)
  const records = books()
  const { app, push, platform, lines } = await host(t, wechat, records)
  const good = seal(ticketDocument('ticket@@@hostile'))
  const now = Math.floor(Date.now() / 1000)
  const document = ticketDocument('ticket@@@hostile')
  const xml = (payload: string) => ({ ...good, payload })
  const hostile: Record<string, [ReturnType<typeof seal>, number]> = {
    'another signature': [{ ...good, query: { ...good.query, msg_signature: 'a'.repeat(40) } }, 401],
    'signature of the URL alone': [{ ...good, query: { ...good.query, msg_signature: good.query.signature as string } }, 401],
    'no signature': [{ ...good, query: { timestamp: String(now), nonce: 'n' } }, 400],
    'another token': [seal(document, { token: 'AnotherToken' }), 401],
    'another key': [seal(document, { encodingAesKey: 'z'.repeat(43) }), 401],
    'for another platform': [seal(document, { receiver: 'wx00c0ffee00c0ffef' }), 401],
    'envelope of another platform': [seal(document, { appId: 'wx00c0ffee00c0ffef' }), 401],
    'inside about another platform': [seal(document.replace(PLATFORM.componentAppId, 'wx00c0ffee00c0ffef')), 401],
    'cut padding': [seal(document, { padding: short => Buffer.alloc(short) }), 401],
    'length field too long': [seal(document, { length: 10_000 }), 401],
    'length field too short': [seal(document, { length: 10 }), 401],
    'cut ciphertext': [around(Buffer.from(good.payload.match(/Encrypt><!\[CDATA\[(.*?)\]\]/)?.[1] as string, 'base64').subarray(0, -16).toString('base64')), 401],
    'plain text for ciphertext': [around(Buffer.from(document.padEnd(Math.ceil(document.length / 32) * 32)).toString('base64')), 401],
    'plain text, not encrypted at all': [xml(document), 400],
    'six minutes old': [seal(document, { timestamp: now - 360 }), 401],
    'of the future': [seal(document, { timestamp: now + 360 }), 401],
    DOCTYPE: [xml(`<!DOCTYPE xml [<!ENTITY a "b">]>${good.payload}`), 400],
    'DOCTYPE inside': [seal(`<!DOCTYPE xml [<!ENTITY a SYSTEM "file:///etc/passwd">]>${document}`), 400],
    'Encrypt twice': [xml(good.payload.replace('</xml>', '<Encrypt>x</Encrypt></xml>')), 400],
    'another field': [xml(good.payload.replace('</xml>', '<ToUserName>x</ToUserName></xml>')), 400],
    'InfoType twice inside': [seal(document.replace('</xml>', '<InfoType>unauthorized</InfoType></xml>')), 400],
    'no ticket inside': [seal(document.replaceAll('ComponentVerifyTicket', 'Ticket')), 400],
    'line breaks in the ticket': [seal(document.replace('ticket@@@', 'ticket\n@@@')), 400],
    'another appId in an authorization': [seal(authorizedDocument('../../x', 'queryauthcode@@@c')), 400],
    nested: [seal(document.replace('</xml>', '<info><name>x</name></info></xml>')), 400],
    empty: [xml(''), 400],
    JSON: [xml('{"AppId":"x","Encrypt":"y"}'), 400],
    'not UTF-8 inside': [seal(Buffer.from([0x3c, 0xff, 0xfe])), 400],
    'ciphertext that is XML': [around(good.payload), 400],
    huge: [xml(`<xml><AppId>${'x'.repeat(70_000)}</AppId></xml>`), 413]
  }
  for (const [name, [request, statusCode]] of Object.entries(hostile)) {
    const reply = await app.inject(request)
    t.equal(reply.statusCode, statusCode, name)
    t.notMatch(reply.body, /success/, name)
  }
  t.equal((await app.inject({ ...good, query: {}, url: `${good.url}?${new URLSearchParams(good.query)}&timestamp=1` })).statusCode, 400, 'a parameter twice')
  await t.rejects(platform.token(), { code: 'WECHAT_TICKET' })
  t.equal(wechat.seen.length, 0, 'no call went out')
  t.match(await push(document), { statusCode: 200, body: 'success' })
  t.equal(await platform.token(), 'component1')
  t.notMatch(lines.join(''), new RegExp(`${PLATFORM.token}|${PLATFORM.encodingAesKey}|ticket@@@`))
  t.match(lines.filter(line => line.includes('Open Platform event refused')).length, Object.keys(hostile).length + 1, 'one line each')
})

t.test('several processes on one Redis: one component token; a restart loses neither ticket nor refresh token; encryptionKey hides all values', { skip }, async t => {
  const redis = await startRedis()
  t.teardown(() => redis.stop())
  const wechat = await fakePlatform(t)
  const records = books()
  const encryptionKey = 'ab'.repeat(32)
  const start = () => host(t, wechat, records, { redis: redis.client(), encryptionKey })
  const fleet = await Promise.all([start(), start(), start(), start()])
  const first = fleet[0] as Awaited<ReturnType<typeof host>>
  t.equal((await first.push(ticketDocument())).body, 'success')
  const tokens = await Promise.all(fleet.flatMap(({ platform }) => Array.from({ length: 50 }, () => platform.token())))
  t.equal(new Set(tokens).size, 1)
  t.equal(wechat.count['/cgi-bin/component/api_component_token'], 1)

  // Each process receives the same authorization while the database is unavailable; then all exit.
  records.fail = new Error('away')
  const document = authorizedDocument(SHOP, wechat.allow(SHOP))
  for (const { statusCode } of await Promise.all(fleet.map(({ push }) => push(document)))) t.equal(statusCode, 500)
  await Promise.all(fleet.map(({ app }) => app.close()))
  const raw = redis.client()
  for (const key of await raw.keys('*')) if (await raw.type(key) === 'string') t.notMatch(String(await raw.get(key)), /refreshtoken@@@|ticket@@@|component1|shop\d/, key)

  records.fail = undefined
  const handed = new Promise<void>(resolve => {
    const { onAuthorized } = records.options
    records.options.onAuthorized = authorization => { onAuthorized(authorization); resolve() }
  })
  const next = await start()
  await handed
  t.match(records.given, [{ appId: SHOP, refreshToken: wechat.state.refreshTokens.get(SHOP) }], 'the next process calls onAuthorized at startup')
  t.equal(wechat.count['/cgi-bin/component/api_query_auth'], 1)
  t.match(await next.platform.authorizer(SHOP).token.get(), /^shop/)
  t.equal(await next.platform.token(), tokens[0], 'nor is a new component token fetched')

  await redis.kill()
  t.equal((await next.push(ticketDocument())).statusCode, 503, 'no success for a ticket that was not stored')
  const code = wechat.allow('wxb000000000000002')
  t.equal((await next.push(authorizedDocument('wxb000000000000002', code))).statusCode, 503)
  t.ok(wechat.state.codes.has(code), 'the code is not redeemed while the store is unavailable')
})
