import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import cookie from '@fastify/cookie'
import Fastify from 'fastify'
import t from 'tap'
import { oauth } from '../../plugins/oauth.ts'
import type { OAuthOptions, WechatUser } from '../../plugins/oauth.ts'
import { OPENID, testEmulator } from '../helpers/account.ts'
import { fakeServer } from '../helpers/fake-server.ts'
import { skip, startRedis } from '../helpers/redis.ts'

type Tap = Parameters<typeof testEmulator>[0]

async function host (t: Tap, options: Partial<OAuthOptions> = {}, fastify: object = {}) {
  const emulator = await testEmulator(t)
  const users: WechatUser[] = []
  const app = Fastify(fastify)
  t.teardown(() => app.close())
  app.register(oauth, {
    ...emulator.config,
    onLogin: (user: WechatUser) => { users.push(user) },
    ...options
  })
  await app.ready()

  /** Starts a login in a browser. */
  async function begin (query = '', headers: Record<string, string> = {}) {
    const reply = await app.inject({ url: `/wechat/oauth/authorize${query}`, headers })
    const [setCookie] = reply.cookies
    return { reply, consent: String(reply.headers.location), cookies: setCookie ? { [setCookie.name]: setCookie.value } : {}, setCookie }
  }

  /** WeChat's redirect for the visitor: the path of the callback. */
  async function consent (url: string, action = 'allow', user = OPENID): Promise<string> {
    const path = url.replace(emulator.origin, '').replace('/authorize?', '/authorize_reply?').replace('#wechat_redirect', '')
    const reply = await emulator.app.inject(`${path}&action=${action}&user=${user}`)
    const back = new URL(String(reply.headers.location))
    return back.pathname + back.search
  }

  const visit = (url: string, cookies: Record<string, string>) => app.inject({ url, cookies })
  return { app, emulator, users, begin, consent, visit }
}

t.test('a complete login', async t => {
  const { begin, consent, visit, users, app } = await host(t, { defaultReturnTo: '/home' })
  const { reply, consent: url, cookies, setCookie } = await begin('?scope=snsapi_userinfo&returnTo=/cart%3Fa=1%23b')
  t.equal(reply.statusCode, 302)
  t.match(url, /redirect_uri=http%3A%2F%2Flocalhost%2Fwechat%2Foauth%2Fcallback&response_type=code&scope=snsapi_userinfo&state=[0-9a-f]{32}#wechat_redirect$/)
  t.match(setCookie, { httpOnly: true, sameSite: 'Lax', path: '/wechat/oauth', maxAge: 600 })
  t.notOk(setCookie?.secure)
  const back = await visit(await consent(url), cookies)
  t.match(back, { statusCode: 302, headers: { location: '/cart?a=1#b', 'cache-control': 'no-store' } })
  t.match(back.cookies[0], { name: setCookie?.name, value: '', path: '/wechat/oauth' }, 'L9 the cookie is removed')
  t.match(users, [{ openid: OPENID, nickname: '李雷 Li Lei', scope: 'snsapi_userinfo', isSnapshotUser: false, accessToken: /^[0-9a-f]{80}$/, refreshToken: /^[0-9a-f]{80}$/ }])
  t.notMatch(JSON.stringify(users), /[0-9a-f]{80}/, 'L9 the visitor\'s tokens stay out of JSON')
  t.match(await app.wechatOAuth.userinfo(users[0]?.accessToken ?? '', OPENID), { openid: OPENID })

  const base = await begin()
  t.match(await visit(await consent(base.consent), base.cookies), { headers: { location: '/home' } })
  t.match(await app.inject('/wechat/oauth/authorize?scope=other'), { statusCode: 400 })
  t.equal((await app.inject({ method: 'HEAD', url: '/wechat/oauth/callback' })).statusCode, 405)
})

t.test('L1 L2 L4 a login needs its state and the browser that started it', async t => {
  const { app, begin, consent, visit, users, emulator } = await host(t)
  const mine = await begin()
  const theirs = await begin()
  const callback = await consent(mine.consent)
  const state = new URL(callback, 'http://x').searchParams.get('state') as string
  const at = (query: string) => visit(`/wechat/oauth/callback${query}`, mine.cookies)
  const refused = [
    at('?code=abc'), at('?code=abc&state='), at('?code=abc&state=wrong'), at(`?code=abc&state=${'0'.repeat(32)}`), at(`?code=abc&state=${state}&state=${state}`),
    at(`?code=abc&state=${'x'.repeat(100_000)}`),
    visit(callback, {}), visit(callback, theirs.cookies),
    visit(callback, Object.fromEntries(Object.keys(mine.cookies).map(name => [name, Object.values(theirs.cookies)[0] as string]))),
    visit(callback, Object.fromEntries(Object.entries(mine.cookies).map(([name, value]) => [name, value.replace(/.$/, last => last === 'A' ? 'B' : 'A')])))
  ]
  for (const reply of await Promise.all(refused)) t.match(reply, { statusCode: 403 })
  for (const code of ['', '%22x%22', 'a%20b', 'x%26appid%3D1', '%00', 'x'.repeat(10_000), 'a&code=b']) {
    t.match(await at(`?state=${state}&code=${code}`), { statusCode: 400 }, code.slice(0, 20))
  }
  t.equal(users.length, 0)
  t.match(await visit(callback, mine.cookies), { statusCode: 302 }, 'and the genuine one still works')
  t.match(await visit(callback, mine.cookies), { statusCode: 403 }, 'once')
  const again = new URL(await consent((await begin()).consent), 'http://x').searchParams.get('code')
  t.match(await at(`?state=${state}&code=${again}`), { statusCode: 403 }, 'nor with another code')
  t.equal(users.length, 1)

  const late = await begin()
  const path = await consent(late.consent)
  const now = Date.now
  t.teardown(() => { Date.now = now })
  Date.now = () => now() + 601_000
  t.match(await visit(path, late.cookies), { statusCode: 403 }, 'expired')
  Date.now = now
  t.ok(emulator)
  t.ok(app)
})

t.test('L3 returnTo accepts only paths of this site', async t => {
  const { begin, consent, visit } = await host(t)
  const bad = ['//evil.test', 'https://evil.test', '/\\evil.test', '/\t/evil.test', '/%09/evil.test', '/%2f/evil.test', '/.//evil.test', 'javascript:alert(1)', 'https://good.test.evil', 'https://good.test@evil', '/a\r\nset-cookie: x', '/%0d%0a', '/%zz', 'cart', '', '/' + 'x'.repeat(2000)]
  for (const returnTo of bad) {
    const { consent: url, cookies } = await begin(`?returnTo=${encodeURIComponent(returnTo)}`)
    t.equal((await visit(await consent(url), cookies)).headers.location, '/', returnTo)
  }
  for (const [returnTo, location] of [['/订单?a=b c', '/%E8%AE%A2%E5%8D%95?a=b%20c'], ['/a/../b', '/b']] as const) {
    const { consent: url, cookies } = await begin(`?returnTo=${encodeURIComponent(returnTo)}`)
    t.equal((await visit(await consent(url), cookies)).headers.location, location)
  }
  const twice = await begin('?returnTo=/a&returnTo=/b')
  t.equal((await visit(await consent(twice.consent), twice.cookies)).headers.location, '/')
})

t.test('L5 two concurrent callbacks: one exchange, one visitor', async t => {
  const { begin, consent, visit, users } = await host(t)
  const { consent: url, cookies } = await begin('?returnTo=/cart')
  const path = await consent(url)
  const replies = await Promise.all([visit(path, cookies), visit(path, cookies), visit(path, cookies)])
  for (const reply of replies) t.match(reply, { statusCode: 302, headers: { location: '/cart' } })
  t.same(new Set(users.map(user => user.accessToken)).size, 1, 'exchanged once')
  t.match(await visit(path, cookies), { statusCode: 403 }, 'later: refused without an exchange')
})

t.test('L5 codes that WeChat refuses are 4xx, for concurrent requests too', async t => {
  const { begin, visit, users } = await host(t)
  const { consent: url, cookies } = await begin()
  const state = /state=([0-9a-f]{32})/.exec(url)?.[1]
  const path = `/wechat/oauth/callback?code=unknown&state=${state}`
  const replies = await Promise.all([visit(path, cookies), visit(path, cookies)])
  t.same(replies.map(reply => reply.statusCode), [403, 403])
  t.match(replies.map(reply => reply.json().code).sort(), ['WECHAT_API', 'WECHAT_LOGIN_STATE'])
  t.equal(users.length, 0)
})

t.test('L6 the visitor declines', async t => {
  const plain = await host(t)
  const one = await plain.begin('?scope=snsapi_userinfo')
  const path = await plain.consent(one.consent, 'refuse')
  t.notMatch(path, /code=/)
  t.match((await plain.visit(path, one.cookies)).json(), { statusCode: 403, code: 'WECHAT_LOGIN_REFUSED' })
  const answered = await host(t, { onRefuse: (_request, reply) => reply.send('what a pity') })
  const two = await answered.begin('?scope=snsapi_userinfo')
  t.match(await answered.visit(await answered.consent(two.consent, 'refuse'), two.cookies), { statusCode: 200, body: 'what a pity' })
  const sent = await host(t, { onRefuse: (_request, reply) => { reply.redirect('/sorry') } })
  const three = await sent.begin('?scope=snsapi_userinfo')
  t.match(await sent.visit(await sent.consent(three.consent, 'refuse'), three.cookies), { statusCode: 302, headers: { location: '/sorry' } })
})

t.test('L7 a snapshot user is not logged in, unless onSnapshotUser handles it', async t => {
  const { begin, consent, visit, users } = await host(t)
  const one = await begin()
  // snsapi_base shows no page, so the test chooses the emulator's visitor.
  const reply = await visit(await consent(one.consent, 'allow', 'oUpF8uSnapshotVisitor0000000'), one.cookies)
  t.match(reply.json(), { statusCode: 403, code: 'WECHAT_LOGIN_SNAPSHOT' })
  t.equal(users.length, 0)
  const seen: unknown[] = []
  const withHandler = await host(t, { onSnapshotUser: (user, _request, reply) => { seen.push(user.isSnapshotUser); return reply.send('open the full page') } })
  const two = await withHandler.begin()
  t.match(await withHandler.visit(await withHandler.consent(two.consent, 'allow', 'oUpF8uSnapshotVisitor0000000'), two.cookies), { body: 'open the full page' })
  t.same([seen, withHandler.users], [[true], []])
})

t.test('L9 L10 cookies in production; headers cannot change redirect_uri', async t => {
  const environment = process.env.NODE_ENV
  t.teardown(() => { process.env.NODE_ENV = environment ?? '' })
  const spoof = { host: 'evil.test', 'x-forwarded-host': 'evil.test', 'x-forwarded-proto': 'https' }
  const configured = await host(t, { origin: 'https://shop.test/' }, { trustProxy: true })
  for (const headers of [{}, spoof]) t.match((await configured.begin('', headers as Record<string, string>)).consent, /redirect_uri=https%3A%2F%2Fshop.test%2Fwechat%2Foauth%2Fcallback/)
  t.ok((await configured.begin('', spoof)).setCookie?.secure, 'over https')
  t.notOk((await (await host(t, { secureCookie: false }, { trustProxy: true })).begin('', spoof)).setCookie?.secure)

  const listening = await host(t)
  const origin = await listening.app.listen({ port: 0, host: '127.0.0.1' })
  t.match((await listening.begin('', spoof)).consent, new RegExp(`redirect_uri=${encodeURIComponent(origin)}`))

  const emulator = await testEmulator(t)
  process.env.NODE_ENV = 'production'
  const lost = Fastify()
  lost.register(oauth, { ...emulator.config, onLogin: () => {} })
  await t.rejects(async () => await lost.ready(), { code: 'WECHAT_CONFIG', option: 'origin' }, 'required in production')
  const without = Fastify()
  t.teardown(() => without.close())
  await without.register(oauth, emulator.config)
  t.ok(without.wechatOAuth, 'but not without login routes')
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(async scope => { await scope.register(oauth, { ...emulator.config, origin: 'https://shop.test', onLogin: () => {} }) }, { prefix: '/api/' })
  const reply = await app.inject('/api/wechat/oauth/authorize')
  t.match(reply.cookies[0], { secure: true, path: '/api/wechat/oauth' })
  t.match(reply.headers.location, /=https%3A%2F%2Fshop.test%2Fapi%2Fwechat%2Foauth%2Fcallback/)
  const slash = Fastify()
  t.teardown(() => slash.close())
  await slash.register(oauth, { ...emulator.config, origin: 'https://shop.test', prefix: '/login/', onLogin: () => {} })
  const redirect = await slash.inject('/login/oauth/authorize')
  t.match(redirect.cookies[0], { path: '/login/oauth' })
  t.match(redirect.headers.location, /%2Flogin%2Foauth%2Fcallback/, 'no doubled slash')
})

t.test('an unredeemed code is in no log line and in no answer, whatever the request looks like', async t => {
  for (const fastify of [{}, { routerOptions: { ignoreTrailingSlash: true, ignoreDuplicateSlashes: true } }, { exposeHeadRoutes: false }]) {
    const lines: string[] = []
    const { app, begin, consent, visit, users } = await host(t, {}, { ...fastify, logger: { level: 'trace', stream: { write: (line: string) => { lines.push(line) } } } })
    const { consent: url, cookies } = await begin()
    const path = (await consent(url)).replace(/code=[^&]+/, 'code=canaryCode')
    const answers: string[] = []
    const ask = async (method: string, changed: string) => {
      const reply = await app.inject({ method: method as 'GET', url: changed, cookies })
      answers.push(reply.body)
      return reply.statusCode
    }
    for (const method of ['HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) t.equal(await ask(method, path), 405, method)
    for (const more of ['/x', '//', '/x/y']) t.match(String(await ask('GET', path.replace('?', `${more}?`).replace(/state=[^&]+/, 'state=0'))), /403|404/, more)
    for (const method of ['HEAD', 'POST']) t.equal(await ask(method, path.replace('?', '/?')), 405, `${method} with a slash`)
    t.equal(await ask('GET', path.replace('?', '/?').replace(/state=[^&]+/, 'state=0')), 403, 'the path with a slash is the callback')
    t.ok(lines.length > 20)
    t.notMatch(lines.join(''), /canaryCode/)
    t.notMatch(answers.join(''), /canaryCode/)
    t.match(await visit((await consent(url)).replace('?', '/?'), cookies), { statusCode: 302, headers: { location: '/' } }, 'none of them redeemed it')
    t.equal(users.length, 1)
  }
})

t.test('the application can answer itself, with its own cookie plugin; without onLogin there are no routes', async t => {
  const emulator = await testEmulator(t)
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(cookie)
  await app.register(oauth, { ...emulator.config, onLogin: (user, _request, reply) => reply.setCookie('session', user.openid).send(user) })
  const redirect = await app.inject('/wechat/oauth/authorize')
  const back = await fetch(String(redirect.headers.location), { redirect: 'manual' })
  const { pathname, search } = new URL(String(back.headers.get('location')))
  const reply = await app.inject({ url: pathname + search, cookies: Object.fromEntries(redirect.cookies.map(({ name, value }) => [name, value])) })
  t.match(reply.json(), { openid: OPENID })
  t.notMatch(reply.body, /accessToken|refreshToken/)
  t.ok(reply.cookies.find(({ name }) => name === 'session'))

  const bare = Fastify()
  t.teardown(() => bare.close())
  await bare.register(oauth, emulator.config)
  t.ok(bare.wechatOAuth)
  t.notOk(bare.hasRoute({ method: 'GET', url: '/wechat/oauth/authorize' }))
})

t.test('a handler that does not answer redirects the visitor, whatever it returns', async t => {
  type Login = OAuthOptions['onLogin']
  const silent: Record<string, Login> = {
    null: () => null,
    'a text': () => 'OK',
    'a record with private fields': async () => ({ phone: '13800000000' }),
    'the reply after setting a header': (_user, _request, reply) => reply.header('x-session', '1'),
    'the reply, from an async function': async (_user, _request, reply) => reply.header('x-session', '1')
  }
  for (const [what, onLogin] of Object.entries(silent)) {
    const { begin, consent, visit } = await host(t, { onLogin: onLogin as NonNullable<Login> })
    const { consent: url, cookies } = await begin('?returnTo=/cart')
    t.match(await visit(await consent(url), cookies), { statusCode: 302, body: '', headers: { location: '/cart' } }, what)
  }
  const answering: Record<string, Login> = {
    send: (_user, _request, reply) => { reply.send('own') },
    'an async send': async (_user, _request, reply) => await reply.send('own'),
    'a stream': (_user, _request, reply) => reply.send(Readable.from(['own'])),
    hijack: (_user, _request, reply) => { reply.hijack(); reply.raw.end('own') }
  }
  for (const [what, onLogin] of Object.entries(answering)) {
    const { begin, consent, visit } = await host(t, { onLogin: onLogin as NonNullable<Login> })
    const { consent: url, cookies } = await begin()
    t.match(await visit(await consent(url), cookies), { statusCode: 200, body: 'own' }, what)
  }
  const { begin, consent, visit } = await host(t, { onLogin: (_user, _request, reply) => reply.redirect('/elsewhere') })
  const { consent: url, cookies } = await begin()
  t.match(await visit(await consent(url), cookies), { statusCode: 302, headers: { location: '/elsewhere' } })
})

t.test('concurrent requests at two processes share one exchange; without Redis, each process tracks its own', { skip }, async t => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  const emulator = await testEmulator(t)
  const users: WechatUser[] = []
  const clients = [redis.client(), redis.client()]
  const apps = clients.map(client => {
    const app = Fastify()
    t.teardown(() => app.close())
    app.register(oauth, { ...emulator.config, redis: client, onLogin: user => { users.push(user) } })
    return app
  })
  // Both processes must be ready before the concurrent requests.
  await Promise.all([...apps.map(app => app.ready()), ...clients.map(client => client.ping())])
  async function login () {
    const redirect = await apps[0]?.inject('/wechat/oauth/authorize')
    const back = await fetch(String(redirect?.headers.location), { redirect: 'manual' })
    const { pathname, search } = new URL(String(back.headers.get('location')))
    const cookies = Object.fromEntries((redirect?.cookies ?? []).map(({ name, value }) => [name, value]))
    return await Promise.all(apps.map(app => app.inject({ url: pathname + search, cookies })))
  }
  t.same((await login()).map(reply => reply.statusCode), [302, 302])
  t.equal(users.length, 2)
  t.equal(users[0]?.accessToken, users[1]?.accessToken)
  await redis.kill()
  const replies = (await login()).map(reply => reply.statusCode).sort()
  t.same(replies, [302, 403], 'WeChat redeems a code once')

  const redirect = await apps[0]?.inject('/wechat/oauth/authorize')
  const back = await fetch(String(redirect?.headers.location), { redirect: 'manual' })
  const { pathname, search } = new URL(String(back.headers.get('location')))
  const again = () => apps[0]?.inject({ url: pathname + search, cookies: Object.fromEntries((redirect?.cookies ?? []).map(({ name, value }) => [name, value])) })
  t.match(await again(), { statusCode: 302 })
  t.match(await again(), { statusCode: 403 }, 'a replay is recognized')
})

t.test('a concurrent request waits for a slow WeChat, with a limit', async t => {
  const slow = await fakeServer(async (_seen, reply) => { await sleep(200); reply.end(JSON.stringify({ openid: OPENID, access_token: 'x', scope: 'snsapi_base', unionid: 'u' })) })
  t.teardown(slow.close)
  const { begin, visit, users } = await host(t, { endpoints: slow.endpoints })
  const { consent: url, cookies } = await begin()
  const path = `/wechat/oauth/callback?code=abc&state=${/state=([0-9a-f]{32})/.exec(url)?.[1]}`
  t.same((await Promise.all([visit(path, cookies), visit(path, cookies)])).map(reply => reply.statusCode), [302, 302])
  t.equal(slow.seen.length, 1)
  t.match(users, [{ unionid: 'u' }, { unionid: 'u' }])
})

t.test('WeChat takes longer than a concurrent request waits: the code is redeemed once', async t => {
  let exchanges = 0
  const slow = await fakeServer(async (_seen, reply) => {
    exchanges++
    await sleep(11_500)
    reply.end(JSON.stringify({ openid: OPENID, access_token: 'x', scope: 'snsapi_base' }))
  })
  t.teardown(slow.close)
  const { begin, visit } = await host(t, { endpoints: slow.endpoints, http: { timeout: 20_000 } })
  const { consent: url, cookies } = await begin()
  const path = `/wechat/oauth/callback?code=abc&state=${/state=([0-9a-f]{32})/.exec(url)?.[1]}`
  const first = visit(path, cookies)
  await sleep(3000)
  const duplicate = visit(path, cookies)
  t.same((await Promise.all([first, duplicate])).map(reply => reply.statusCode), [302, 302])
  t.equal(exchanges, 1)
})
