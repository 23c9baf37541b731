/** The emulator's third-party platform (第三方平台): pushes, component calls and lifetimes, pages, and calls on behalf of accounts. */
import { createDecipheriv } from 'node:crypto'
import { join } from 'node:path'
import Fastify from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { createEmulator } from '../../plugins/emulator/server/emulator.ts'
import type { CreateEmulatorOptions } from '../../plugins/emulator/server/emulator.ts'
import { encryptMessage, signatureOf } from '../../plugins/emulator/wechat/open-platform/crypt.ts'
import { OPENID, testEmulator } from '../helpers/account.ts'

type Json = Record<string, any>

const HOUR = 3_600_000

t.test('message encryption matches wechatpy (tests/test_crypto.py, test_encrypt_message)', t => {
  const xml = `<xml>
<MsgType><![CDATA[text]]></MsgType>
<Content><![CDATA[test]]></Content>
<FromUserName><![CDATA[wx49f0ab532d5d035a]]></FromUserName>
<ToUserName><![CDATA[messense]]></ToUserName>
<AgentID>1</AgentID>
<CreateTime>1411525903</CreateTime>
</xml>`
  const expected = '9s4gMv99m88kKTh/H8IdkOiMg6bisoy3ypwy9H4hvSPe9nsGaqyw5hhSjdYbcrKk+j3nba4HMOTzHrluLBYqxgNcBqGsL8GqxlhZgURnAtObvesEl5nZ+uBE8bviY0LWke8Zy9V/QYKxNV2FqllNXcfmstttyIkMKCCmVbCFM2JTF5wY0nFhHZSjPUL2Q1qvSUCUld+/WIXrx0oyKQmpB6o8NRrrNrsDf03oxI1p9FxUgMnwKKZeOA/uu+2IEvEBtb7muXsVbwbgX05UPPJvFurDXafG0RQyPR+mf1nDnAtQmmNOuiR5MIkdQ39xn1vWwi1O5oazPoQJz0nTYjxxEE8kv3kFxtAGVRe3ypD3WeK2XeFYFMNMpatF9XiKzHo3'
  t.equal(encryptMessage(xml, { appId: 'wx49f0ab532d5d035a', encodingAesKey: 'kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR' }, '1234567890123456'), expected)
  t.equal(signatureOf('123456', '1411525903', '461056294', expected), '407518b7649e86ef23978113f92d27afa9296533')
  t.end()
})

interface Event { query: Record<string, string>, body: string, xml: string, receiver: string }

/** A platform that records pushes; `answer`: its reply. */
async function listener (t: Test, answer: (event: Event) => string = () => 'success') {
  const app = Fastify()
  t.teardown(() => app.close())
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body))
  const events: Event[] = []
  let key = Buffer.alloc(32)
  app.post('/events', async request => {
    const body = request.body as string
    const ciphertext = /<Encrypt><!\[CDATA\[(.+?)\]\]>/.exec(body)?.[1] ?? ''
    const decipher = createDecipheriv('aes-256-cbc', key, key.subarray(0, 16)).setAutoPadding(false)
    const padded = Buffer.concat([decipher.update(ciphertext, 'base64'), decipher.final()])
    const plain = padded.subarray(0, -(padded.at(-1) as number))
    const end = 20 + plain.readUInt32BE(16)
    const event = { query: request.query as Record<string, string>, body, xml: plain.subarray(20, end).toString(), receiver: plain.subarray(end).toString() }
    events.push(event)
    return answer(event)
  })
  const url = `${await app.listen({ port: 0, host: '127.0.0.1' })}/events`
  return { url, events, reads: (encodingAesKey: string) => { key = Buffer.from(`${encodingAesKey}=`, 'base64') } }
}

const element = (xml: string, name: string) => new RegExp(`<${name}>(?:<!\\[CDATA\\[)?([^<\\]]*)`).exec(xml)?.[1] ?? ''

/** An emulator with a platform that has its ticket. The schedule is slow, so that only requested pushes arrive. */
async function stage (t: Test, options: CreateEmulatorOptions = {}, answer?: (event: Event) => string) {
  const platform = await listener(t, answer)
  const emulator = await testEmulator(t, { timeScale: 1, component: true, ...options })
  const component = emulator.openPlatformConfig as NonNullable<typeof emulator.openPlatformConfig>
  platform.reads(component.encodingAesKey)
  const { componentAppId: id, componentAppSecret: secret } = component
  const { appId } = emulator.account

  const post = async (name: string, body: object, token?: string, as = 'component_access_token'): Promise<Json> =>
    (await emulator.app.inject({ method: 'POST', url: `/cgi-bin/component/${name}${token === undefined ? '' : `?${as}=${token}`}`, payload: { component_appid: id, ...body } })).json()
  const get = async (url: string): Promise<Json> => (await emulator.app.inject(url)).json()
  async function token () {
    await emulator.setComponentUrl(platform.url)
    await emulator.waitForNotification(({ about, accepted }) => about === 'component' && accepted)
    const ticket = element(platform.events.at(-1)?.xml ?? '', 'ComponentVerifyTicket')
    return (await post('api_component_token', { component_appsecret: secret, component_verify_ticket: ticket })).component_access_token as string
  }
  const authorized = async (value: string, of = appId, how = {}) => {
    const { auth_code: code } = await emulator.authorizeComponent(of, how)
    return (await post('api_query_auth', { authorization_code: code }, value)).authorization_info as Json
  }
  const pushed = (type: string) => emulator.waitForNotification(({ info_type: sent, accepted }) => sent === type && accepted)
  return { emulator, platform, component, id, secret, appId, post, get, token, authorized, pushed }
}

t.test('a push is encrypted, signed, and addressed to the component', async t => {
  const { emulator, platform, component, id } = await stage(t)
  await emulator.setComponentUrl(`${platform.url}?from=wechat`)
  await emulator.waitForNotification(({ accepted }) => accepted)
  const { query, body, xml, receiver } = platform.events[0] as Event
  const ciphertext = element(body, 'Encrypt')
  t.match(query, { from: 'wechat', encrypt_type: 'aes', signature: signatureOf(component.token, query.timestamp ?? '', query.nonce ?? ''), msg_signature: signatureOf(component.token, query.timestamp ?? '', query.nonce ?? '', ciphertext) })
  t.equal(element(body, 'AppId'), id, 'AppId, not ToUserName')
  t.equal(receiver, id)
  t.match(xml, /^<xml><AppId>.*\n<CreateTime>\d+<\/CreateTime>\s*<InfoType><!\[CDATA\[component_verify_ticket\]\]><\/InfoType>\s*<ComponentVerifyTicket><!\[CDATA\[ticket@@@\w+/)
  t.match((await emulator.component()).lastPush, { info_type: 'component_verify_ticket', accepted: true })
})

t.test('a ticket every ten minutes of the emulator\'s clock, valid for twelve hours', async t => {
  const { emulator, platform, post, secret, pushed } = await stage(t)
  t.match(await post('api_component_token', { component_appsecret: secret, component_verify_ticket: null }), { errcode: 61006, errmsg: /^component ticket is invalid rid: / }, 'WxJava 2967')
  await emulator.setComponentUrl(platform.url)
  await pushed('component_verify_ticket')
  const first = element(platform.events[0]?.xml ?? '', 'ComponentVerifyTicket')
  emulator.advance(10 * 60_000)
  await emulator.waitForNotification(({ accepted, id }) => accepted && id === 'n2')
  t.not(element(platform.events[1]?.xml ?? '', 'ComponentVerifyTicket'), first)
  const exchange = () => post('api_component_token', { component_appsecret: secret, component_verify_ticket: first })
  t.match(await exchange(), { component_access_token: /./, expires_in: 7200 }, 'an older one also works')
  emulator.advance(12 * HOUR)
  t.match(await exchange(), { errcode: 61005, errmsg: /^component ticket is expired/ })
})

t.test('api_start_push_ticket starts pushing, and reports if pushes already run', async t => {
  const { emulator, platform, post, secret, id } = await stage(t)
  t.match(await post('api_start_push_ticket', { component_secret: 'x' }), { errcode: 40125 })
  t.match(await post('api_start_push_ticket', { component_secret: secret, component_appid: 'wx0' }), { errcode: 40013 })
  t.match(await post('api_start_push_ticket', { component_secret: secret }), { errcode: 0, errmsg: 'ok' }, 'and no URL')
  t.equal(emulator.notifications().length, 0)
  await emulator.setComponentUrl(platform.url)
  await emulator.waitForNotification(({ accepted }) => accepted)
  t.same(await post('api_start_push_ticket', { component_secret: secret, component_appid: id }), { errcode: 0, errmsg: 'in a normal state' })
  await t.rejects(emulator.setComponentUrl('ftp://x'), { message: 'url must be an http(s) URL' })
})

t.test('a push that is not answered "success" is sent three times; other events require an answered ticket', async t => {
  const answer = { what: '<xml>success</xml>' }
  const { emulator, platform, pushed } = await stage(t, { timeScale: 0.02 }, () => answer.what)
  await emulator.setComponentUrl(platform.url)
  for (const attempt of [1, 2, 3]) await emulator.waitForNotification(delivery => delivery.attempt === attempt && delivery.reply !== null)
  t.same(emulator.notifications().map(({ attempt, accepted }) => [attempt, accepted]), [[1, false], [2, false], [3, false]])
  await emulator.authorizeComponent()
  const { error } = await emulator.waitForNotification(({ info_type: type }) => type === 'authorized')
  t.match(error, /has not answered "success" to a ticket yet/)
  answer.what = 'success'
  t.match(await emulator.pushTicket(), { accepted: true, attempt: 1 })
  await emulator.unauthorize()
  await pushed('unauthorized')
  t.equal(element(platform.events.at(-1)?.xml ?? '', 'AuthorizerAppid'), emulator.account.appId)
  t.equal((await emulator.component()).answered, true)
})

t.test('a resent push has the same bytes', async t => {
  const { emulator, platform } = await stage(t)
  await emulator.setComponentUrl(platform.url)
  const { id } = await emulator.waitForNotification(({ accepted }) => accepted)
  await emulator.resend(id)
  t.same(platform.events[1], platform.events[0])
})

t.test('the component token: both query names, two hours, a new one invalidates the old one after five minutes', async t => {
  const { emulator, post, token, appId } = await stage(t)
  t.match(await post('api_create_preauthcode', {}), { errcode: 41001 })
  t.match(await post('api_create_preauthcode', {}, 'x'), { errcode: 40001, errmsg: /^invalid credential/ }, 'easywechat 2033')
  const value = await token()
  for (const name of ['component_access_token', 'access_token']) t.match(await post('api_create_preauthcode', {}, value, name), { pre_auth_code: /^preauthcode@@@/, expires_in: 1800 })
  t.match(await post('api_create_preauthcode', { component_appid: 'wx0' }, value), { errcode: 40013 })
  t.match(await post('api_create_preauthcode', { component_appid: undefined }, value), { errcode: 41002 })
  const other = await token()
  t.notOk('errcode' in await post('api_create_preauthcode', {}, value))
  emulator.advance(300_000)
  t.match(await post('api_create_preauthcode', {}, value), { errcode: 42001, errmsg: /^access_token expired/ })
  t.notOk('errcode' in await post('api_create_preauthcode', {}, other))
  await emulator.expireComponent({ componentTokens: true })
  t.match(await post('api_create_preauthcode', {}, other), { errcode: 42001 })
  const plain = (await emulator.app.inject(`/cgi-bin/token?grant_type=client_credential&appid=${appId}&secret=${emulator.account.appSecret}`)).json<Json>()
  t.match(await post('api_create_preauthcode', {}, plain.access_token), { errcode: 61014 })
})

t.test('an authorization: the code works once and for an hour; its event, and the account', async t => {
  const { emulator, platform, post, token, pushed, appId } = await stage(t)
  const value = await token()
  const { auth_code: code, expires_in: expires } = await emulator.authorizeComponent()
  t.match([code, expires], [/^queryauthcode@@@/, 3600])
  await pushed('authorized')
  const { xml } = platform.events.at(-1) as Event
  t.match(['InfoType', 'AuthorizerAppid', 'AuthorizationCode', 'PreAuthCode'].map(name => element(xml, name)), ['authorized', appId, code, /^preauthcode@@@/])
  t.match(element(xml, 'AuthorizationCodeExpiredTime'), /^\d{10}$/)

  t.match(await post('api_query_auth', { authorization_code: 'x' }, value), { errcode: 61009, errmsg: /^code is invalid/ })
  const { authorization_info: info } = await post('api_query_auth', { authorization_code: code }, value)
  t.match(info, { authorizer_appid: appId, authorizer_access_token: /./, expires_in: 7200, authorizer_refresh_token: /^refreshtoken@@@/ })
  t.match(info.func_info[0], { funcscope_category: { id: 1 } })
  t.match(await post('api_query_auth', { authorization_code: code }, value), { errcode: 61009 }, 'once')
  const again = await emulator.authorizeComponent()
  await pushed('updateauthorized')
  emulator.advance(HOUR)
  t.match(await post('api_query_auth', { authorization_code: again.auth_code }, value), { errcode: 61010 })

  t.match(await post('api_get_authorizer_info', { authorizer_appid: appId }, value), { authorizer_info: { nick_name: /./, service_type_info: { id: 2 } }, authorization_info: { authorizer_appid: appId, func_info: [{ funcscope_category: { id: 1 } }] } })
  t.match(await post('api_get_authorizer_list', { offset: 0, count: 500 }, value), { total_count: 1, list: [{ authorizer_appid: appId, refresh_token: info.authorizer_refresh_token }] })
  t.match(await post('api_get_authorizer_list', { offset: 0, count: 501 }, value), { errcode: 40097 })
  const option = { authorizer_appid: appId, option_name: 'voice_recognize' }
  t.match(await post('api_get_authorizer_option', option, value), { option_value: '0' })
  t.match(await post('api_set_authorizer_option', { ...option, option_value: '1' }, value), { errcode: 0 })
  t.match(await post('api_get_authorizer_option', option, value), { option_value: '1' })
  t.match(await post('api_set_authorizer_option', { ...option, option_value: '7' }, value), { errcode: 61013 })
  await t.rejects(emulator.authorizeComponent('wx0'), { message: 'no account has the appId wx0' })
})

t.test('the refresh token stays the same until it is replaced on request or the authorization is withdrawn', async t => {
  const { emulator, post, token, authorized, appId } = await stage(t)
  const value = await token()
  const { authorizer_refresh_token: first } = await authorized(value)
  const refresh = (refreshToken: unknown, of = appId) => post('api_authorizer_token', { authorizer_appid: of, authorizer_refresh_token: refreshToken }, value)
  for (let at = 0; at < 2; at++) t.match(await refresh(first), { authorizer_access_token: /./, expires_in: 7200, authorizer_refresh_token: first })
  for (const wrong of [null, 'x']) t.match(await refresh(wrong), { errcode: 61023, errmsg: /^refresh_token is invalid/ }, 'WxJava 1119, 1533')
  t.match(await refresh(first, 'wx0'), { errcode: 40013 })
  t.equal((await authorized(value)).authorizer_refresh_token, first)
  const { authorizer_refresh_token: changed } = await authorized(value, appId, { newRefreshToken: true })
  t.not(changed, first)
  t.match(await refresh(first), { errcode: 61023 })
  await emulator.expireComponent({ refreshTokens: true })
  t.match(await refresh(changed), { errcode: 61023 })
  const { list } = await post('api_get_authorizer_list', {}, value)
  t.match(await refresh(list[0].refresh_token), { authorizer_access_token: /./ }, 'recovered from the list')
  await emulator.unauthorize()
  t.match(await refresh(list[0].refresh_token), { errcode: 61003, errmsg: /^component is not authorized by this account/ })
  t.match(await post('api_get_authorizer_info', { authorizer_appid: appId }, value), { errcode: 61003 }, 'WxJava 851')
  t.match(await post('api_get_authorizer_list', {}, value), { total_count: 0, list: [] })
  await t.rejects(emulator.unauthorize(), { message: /has not authorized/ })
  t.not((await authorized(value)).authorizer_refresh_token, list[0].refresh_token)
})

t.test('an account\'s token works for the granted permissions until it expires or the authorization is withdrawn', async t => {
  const { emulator, get, token, authorized, post, appId } = await stage(t)
  const value = await token()
  const { authorizer_access_token: own, authorizer_refresh_token: refreshToken } = await authorized(value, appId, { permissions: [4, 18] })
  const ticket = (of = own) => get(`/cgi-bin/ticket/getticket?type=jsapi&access_token=${of}`)
  t.match(await ticket(), { ticket: /./ })
  t.match(await get(`/cgi-bin/getcallbackip?access_token=${own}`), { ip_list: [/./] })
  t.match(await get(`/cgi-bin/user/info?access_token=${own}&openid=${OPENID}`), { errcode: 61007, errmsg: /^api is unauthorized to component rid: / })
  t.equal((await emulator.app.inject({ method: 'POST', url: `/wxa/getwxacodeunlimit?access_token=${own}`, payload: { scene: 'a' } })).headers['content-type'], 'image/png')
  t.match(await get(`/cgi-bin/getcallbackip?access_token=${value}`), { errcode: 61015 }, 'the component\'s own')
  const { authorizer_access_token: next } = await post('api_authorizer_token', { authorizer_appid: appId, authorizer_refresh_token: refreshToken }, value)
  emulator.advance(300_000)
  t.match(await ticket(), { errcode: 42001 })
  t.match(await ticket(next), { ticket: /./ })
  await emulator.expireComponent({ authorizerTokens: true })
  t.match(await ticket(next), { errcode: 42001 })
  await emulator.unauthorize()
  t.match(await ticket(next), { errcode: 61003 })
  const { appSecret } = emulator.account
  t.match(await get(`/cgi-bin/token?grant_type=client_credential&appid=${appId}&secret=${appSecret}`), { access_token: /./ }, 'the account\'s own token is not affected')
})

t.test('OAuth and mini program logins on behalf of an account', async t => {
  const { emulator, get, token, authorized, id, appId } = await stage(t)
  const value = await token()
  const page = (change = {}) => emulator.app.inject(`/connect/oauth2/authorize?${new URLSearchParams({ appid: appId, redirect_uri: 'http://localhost:3000/cb', response_type: 'code', scope: 'snsapi_base', state: 's1', component_appid: id, ...change })}`)
  t.match((await page()).body, /61003/, 'not yet')
  await authorized(value)
  t.match((await page({ component_appid: 'wx0' })).body, /10013/)
  t.match((await page({ redirect_uri: 'https://elsewhere.test/cb' })).body, /10003/)
  const back = async () => new URL((await page()).headers.location as string).searchParams
  const given = await back()
  t.same([...given.keys()], ['code', 'state', 'appid'])
  t.match(Object.fromEntries(given), { state: 's1', appid: appId })
  const redeem = (code: string | null, change = {}) => get(`/sns/oauth2/component/access_token?${new URLSearchParams({ appid: appId, code: code ?? '', grant_type: 'authorization_code', component_appid: id, component_access_token: value, ...change })}`)
  t.match(await get(`/sns/oauth2/access_token?appid=${appId}&secret=${emulator.account.appSecret}&code=${given.get('code')}&grant_type=authorization_code`), { errcode: 40029 }, 'the platform\'s, not the account\'s')
  t.match(await redeem(given.get('code'), { component_access_token: 'x' }), { errcode: 40001, errmsg: /, rid: / })
  const session = await redeem(given.get('code'))
  t.match(session, { access_token: /./, expires_in: 7200, refresh_token: /./, openid: OPENID, scope: 'snsapi_base' })
  t.match(await redeem(given.get('code')), { errcode: 40163 })
  t.match(await get(`/sns/oauth2/component/refresh_token?${new URLSearchParams({ appid: appId, grant_type: 'refresh_token', component_appid: id, component_access_token: value, refresh_token: session.refresh_token })}`), { openid: OPENID })
  const plain = new URL((await emulator.app.inject(`/connect/oauth2/authorize?${new URLSearchParams({ appid: appId, redirect_uri: 'http://localhost:3000/cb', response_type: 'code', scope: 'snsapi_base' })}`)).headers.location as string).searchParams
  t.match(await redeem(plain.get('code')), { errcode: 40029 }, 'and vice versa')

  const js = async () => (await emulator.app.inject({ method: 'POST', url: '/_emulator/login-codes' })).json<{ code: string }>().code
  const login = async (change = {}) => get(`/sns/component/jscode2session?${new URLSearchParams({ appid: appId, js_code: await js(), grant_type: 'authorization_code', component_appid: id, component_access_token: value, ...change })}`)
  t.match(await login(), { session_key: /==$/, openid: OPENID })
  t.match(await login({ js_code: 'x' }), { errcode: 40029 })
  await authorized(value, appId, { permissions: [1] })
  t.match(await login(), { errcode: 61007 })
  await emulator.unauthorize()
  t.match(await redeem('x'), { errcode: 61003 })
})

for (const path of ['/cgi-bin/componentloginpage', '/wxaopen/safe/bindcomponent']) {
  t.test(`${path}: the owner chooses an account, allows or declines`, async t => {
    const { emulator, post, token, id, pushed } = await stage(t, { accounts: [{ name: 'two' }] })
    const value = await token()
    const shop = emulator.named('two').account.appId
    const code = async () => (await post('api_create_preauthcode', {}, value)).pre_auth_code as string
    const query = async (change = {}) => ({ component_appid: id, pre_auth_code: await code(), redirect_uri: 'http://127.0.0.1:3000/back?shop=1&x=%20', auth_type: '3', ...change })
    const open = (given: Record<string, string>, headers = {}) => emulator.app.inject({ url: `${path}?${new URLSearchParams(given)}`, headers: { 'accept-language': 'en', ...headers } })
    const answer = (given: Record<string, string>) => emulator.app.inject({ method: 'POST', url: `${path}_reply`, headers: { 'accept-language': 'en', 'content-type': 'application/x-www-form-urlencoded' }, payload: new URLSearchParams(given).toString() })

    for (const [change, says] of [
      [{ component_appid: 'wx0' }, /Wrong component_appid/], [{ redirect_uri: '/back' }, /not an absolute URL/], [{ redirect_uri: 'https://elsewhere.test/x' }, /elsewhere\.test.*not registered/],
      [{ pre_auth_code: 'x' }, /Invalid pre_auth_code/], [{ auth_type: '9' }, /auth_type/], [{ biz_appid: 'wx0' }, /no account/]
    ] as const) t.match((await open(await query(change))).body, says)
    t.match((await open(await query(), { referer: 'https://elsewhere.test/' })).body, /page that links here/)

    const given = await query()
    const page = await open(given, { referer: 'http://localhost:3000/admin' })
    t.match(page.body, new RegExp(`value="${emulator.account.appId}".*value="${shop}".*name="permission" value="4"`, 's'))
    t.notMatch((await open(await query({ biz_appid: shop }))).body, new RegExp(`value="${emulator.account.appId}"`))
    t.match(await answer({ ...given, authorizer_appid: shop, action: 'decline' }), { statusCode: 200, body: /Declined/ })
    const { statusCode, headers: { location } } = await answer({ ...given, authorizer_appid: shop, permission: '4', action: 'allow' })
    t.equal(statusCode, 303)
    const back = new URL(location as string)
    t.match(Object.fromEntries(back.searchParams), { shop: '1', x: ' ', auth_code: /^queryauthcode@@@/, expires_in: '3600' })
    await pushed('authorized')
    const { authorization_info: info } = await post('api_query_auth', { authorization_code: back.searchParams.get('auth_code') }, value)
    t.match(info, { authorizer_appid: shop, func_info: [{ funcscope_category: { id: 4 } }] })
    t.equal(info.func_info.length, 1)
    t.match((await answer({ ...given, authorizer_appid: shop, action: 'allow' })).body, /Invalid pre_auth_code/, 'once')
    const late = await query()
    emulator.advance(HOUR / 2)
    t.match((await open(late)).body, /Invalid pre_auth_code/, 'thirty minutes')
  })
}

t.test('several accounts on one origin: each call is routed to its account', async t => {
  const { emulator, get, post, token, authorized, id } = await stage(t, { accounts: [{ name: 'two' }] })
  const value = await token()
  const two = emulator.named('two')
  const { authorizer_access_token: own, authorizer_refresh_token: refreshToken } = await authorized(value, two.account.appId)
  t.match(await post('api_authorizer_token', { authorizer_appid: two.account.appId, authorizer_refresh_token: refreshToken }, value), { authorizer_access_token: /./ })
  t.match(await get(`/cgi-bin/ticket/getticket?type=jsapi&access_token=${own}`), { ticket: /./ })
  t.same(await Promise.all([emulator, two].map(async ({ issued }) => (await issued()).tickets)), [0, 1], 'that account\'s ticket')
  const oauth = new URLSearchParams({ component_appid: id, appid: two.account.appId, redirect_uri: 'http://localhost/cb', response_type: 'code', scope: 'snsapi_base' })
  t.match((await emulator.app.inject(`/connect/oauth2/authorize?${oauth}`)).headers.location, new RegExp(`appid=${two.account.appId}`))
  t.match((await two.component()).accounts, [{ name: '', state: 'none' }, { name: 'two', state: 'authorized' }])
  await two.unauthorize()
  t.match((await emulator.component()).accounts, [{ state: 'none' }, { state: 'unauthorized' }])
})

t.test('--data saves all of it; --seed makes it reproducible', async t => {
  const platform = await listener(t)
  const data = join(t.testdir({}), 'kept')
  const first = await createEmulator({ data, component: true })
  platform.reads(first.openPlatformConfig?.encodingAesKey ?? '')
  await first.setComponentUrl(platform.url)
  await first.waitForNotification(({ accepted }) => accepted)
  const ticket = element(platform.events[0]?.xml ?? '', 'ComponentVerifyTicket')
  const { auth_code: code } = await first.authorizeComponent()
  await first.waitForNotification(({ info_type: type, accepted }) => type === 'authorized' && accepted)
  await first.close()
  const second = await createEmulator({ data, component: true })
  t.teardown(second.close)
  const { endpoints: _moved, ...keys } = first.openPlatformConfig as object & { endpoints: object }
  t.match(second.openPlatformConfig, keys)
  const { componentAppId: id, componentAppSecret: secret } = second.openPlatformConfig ?? {}
  const post = async (path: string, payload: object) => (await second.app.inject({ method: 'POST', url: `/cgi-bin/component/${path}`, payload: { component_appid: id, ...payload } })).json<Json>()
  const { component_access_token: token } = await post('api_component_token', { component_appsecret: secret, component_verify_ticket: ticket })
  t.match(await post(`api_query_auth?component_access_token=${token}`, { authorization_code: code }), { authorization_info: { authorizer_appid: second.account.appId } })

  const seeded = async () => {
    const emulator = await createEmulator({ seed: 'one', component: true })
    const { componentAppId, componentAppSecret, token, encodingAesKey } = emulator.openPlatformConfig ?? {}
    const code = await emulator.authorizeComponent()
    await emulator.close()
    return { componentAppId, componentAppSecret, token, encodingAesKey, code }
  }
  t.same(await seeded(), await seeded())
})

t.test('the platform\'s keys can be configured; the journal has no secrets; without a platform the routes say so', async t => {
  const component = { appId: 'wx00000000000000cc', appSecret: 'emulatorGIVEN', token: 'emulatorTOKEN', encodingAesKey: 'emulatorGIVENabcdefghijklmnopqrstuvwxyz0123' }
  const { emulator, post } = await stage(t, { component })
  t.match(emulator.openPlatformConfig, { endpoints: emulator.bothConfig.endpoints, http: emulator.bothConfig.http, componentAppId: component.appId, componentAppSecret: component.appSecret, token: component.token, encodingAesKey: component.encodingAesKey })
  t.equal(emulator.bothConfig.endpoints.mp, emulator.origin)
  await post('api_component_token', { component_appsecret: component.appSecret, component_verify_ticket: 'x' })
  const [{ id = '' } = {}] = await emulator.calls()
  t.notMatch((await emulator.app.inject(`/_emulator/calls/${id}`)).body, component.appSecret)
  await emulator.fault({ kind: '61004', path: '/cgi-bin/component' })
  t.match(await post('api_create_preauthcode', {}), { errcode: 61004, errmsg: /^access clientip is not registered requestIP: / })
  for (const [given, message] of [
    [{ component: 5 }, /component must be an object/], [{ component: { appID: 'x' } }, /component\.appID is unknown: did you mean component\.appId\?/],
    [{ component: { encodingAesKey: 'short' } }, /component\.encodingAesKey must be 43/], [{ component: { url: 'x' } }, /component\.url must be an absolute/]
  ] as const) await t.rejects(createEmulator(given as never), { message })
  const without = await testEmulator(t)
  t.equal(without.openPlatformConfig, undefined)
  t.notOk('openPlatform' in emulator.bothConfig, 'config is spread into the options of plugins that know no such option')
  await t.rejects(without.authorizeComponent(), { message: /start it with --component/ })
  t.match((await without.app.inject({ method: 'POST', url: '/cgi-bin/component/api_component_token' })).json(), { errcode: 40066 })
})
