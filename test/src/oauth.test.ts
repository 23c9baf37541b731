import t from 'tap'
import { createOAuth } from '../../src/official-account/oauth.ts'
import { ACCOUNT, OPENID, testEmulator } from '../helpers/account.ts'
import { FAULTS, fakeServer, json } from '../helpers/fake-server.ts'
import { patience } from '../helpers/patience.ts'

const { appId, appSecret } = ACCOUNT

t.test('the authorize URL has WeChat\'s parameter order and fragment', async t => {
  const oauth = createOAuth({ appId, appSecret })
  t.equal(oauth.authorizeUrl({ redirectUri: 'https://shop.test/back?a=1&b=2', scope: 'snsapi_base', state: 'abc123' }),
    `https://open.weixin.qq.com/connect/oauth2/authorize?appid=${appId}&redirect_uri=https%3A%2F%2Fshop.test%2Fback%3Fa%3D1%26b%3D2&response_type=code&scope=snsapi_base&state=abc123#wechat_redirect`)
  t.match(oauth.authorizeUrl({ redirectUri: 'https://shop.test/', scope: 'snsapi_userinfo', state: 'a', forcePopup: true }), /&state=a&forcePopup=true#wechat_redirect$/)
  const wrong = (change: object) => () => oauth.authorizeUrl({ redirectUri: 'https://shop.test/', scope: 'snsapi_base', state: 'a', ...change })
  for (const redirectUri of ['/back', 'javascript:alert(1)', '']) t.throws(wrong({ redirectUri }), { code: 'WECHAT_INPUT', field: 'redirectUri' })
  for (const scope of ['snsapi_login', undefined]) t.throws(wrong({ scope }), { code: 'WECHAT_INPUT', field: 'scope' })
  for (const state of ['', 'a b', 'x'.repeat(129), 'a&b']) t.throws(wrong({ state }), { code: 'WECHAT_INPUT', field: 'state' })
})

async function codeFrom (emulator: Awaited<ReturnType<typeof testEmulator>>, scope: string, user = OPENID): Promise<string> {
  const reply = await emulator.app.inject(`/connect/oauth2/authorize_reply?appid=${emulator.account.appId}&redirect_uri=http%3A%2F%2Flocalhost%2F&response_type=code&scope=${scope}&state=s&action=allow&user=${user}`)
  return new URL(reply.headers.location as string).searchParams.get('code') as string
}

t.test('a code, its tokens, and calls with them', async t => {
  const emulator = await testEmulator(t)
  const oauth = createOAuth(emulator.config)
  const code = await codeFrom(emulator, 'snsapi_userinfo')
  const tokens = await oauth.exchange(code)
  t.match(tokens, { openid: OPENID, scope: 'snsapi_userinfo', expiresIn: 7200, isSnapshotUser: false })
  await t.rejects(oauth.exchange(code), { code: 'WECHAT_API', wechatCode: '40163', statusCode: 403 })
  await t.rejects(oauth.exchange('unknown'), { code: 'WECHAT_API', wechatCode: '40029', statusCode: 403 })
  t.match(await oauth.userinfo(tokens.accessToken, OPENID), { openid: OPENID, nickname: '李雷 Li Lei', privilege: [], sex: 0 })
  t.equal(await oauth.check(tokens.accessToken, OPENID), true)
  t.equal(await oauth.check('dead', OPENID), false)
  const renewed = await oauth.refresh(tokens.refreshToken)
  t.match(renewed, { openid: OPENID, refreshToken: tokens.refreshToken })
  t.not(renewed.accessToken, tokens.accessToken)
  await t.rejects(oauth.refresh('dead'), { code: 'WECHAT_API', wechatCode: '40030' })

  const base = await oauth.exchange(await codeFrom(emulator, 'snsapi_base', 'oUpF8uSnapshotVisitor0000000'))
  t.equal(base.isSnapshotUser, true)
  await t.rejects(oauth.userinfo(base.accessToken, base.openid), { code: 'WECHAT_API', wechatCode: '48001' })
  const late = await codeFrom(emulator, 'snsapi_base')
  emulator.advance(301_000)
  await t.rejects(oauth.exchange(late), { code: 'WECHAT_API', wechatCode: '42003' })
})

t.test('L4 a malformed code is not sent', async t => {
  const server = await fakeServer(json({}))
  t.teardown(server.close)
  const oauth = createOAuth({ appId, appSecret, endpoints: server.endpoints })
  for (const code of ['', '"x"', 'a b', 'x&appid=1', 'a\u0000', 'x'.repeat(10_000), undefined as unknown as string]) {
    await t.rejects(oauth.exchange(code), { code: 'WECHAT_INPUT', statusCode: 400 })
  }
  t.equal(server.seen.length, 0)
})

t.test('L8 answers without a usable user', async t => {
  const server = await fakeServer(json({}))
  t.teardown(server.close)
  const oauth = createOAuth({ appId, appSecret, endpoints: server.endpoints, http: { timeout: patience(200) } })
  for (const answer of [{}, { access_token: 'x' }, { openid: 5, access_token: 'x' }, { openid: 'a b', access_token: 'x' }, { openid: OPENID }, { openid: OPENID, access_token: '' }]) {
    server.become(json(answer))
    await t.rejects(oauth.exchange('code'), { code: 'WECHAT_REPLY' }, JSON.stringify(answer))
  }
  for (const [name, fault] of Object.entries(FAULTS)) {
    server.become(fault)
    const before = server.seen.length
    await t.rejects(oauth.exchange('code'), { code: /^WECHAT_/ }, name)
    t.equal(server.seen.length - before, 1, 'a code is sent only once')
  }
  server.become(() => {})
  await t.rejects(oauth.exchange('code'), { code: 'WECHAT_NETWORK', reason: 'TIMEOUT' })
  server.become(json({ openid: 'another' }))
  await t.rejects(oauth.userinfo('token', OPENID), { code: 'WECHAT_REPLY' })
  server.become(json({ openid: OPENID, unionid: 'u', nickname: 5, privilege: ['chinaunicom'] }))
  t.match(await oauth.userinfo('token', OPENID), { unionid: 'u', nickname: '', privilege: ['chinaunicom'] })
  server.become(json({ openid: OPENID }))
  t.match(await oauth.userinfo('token', OPENID), { privilege: [], sex: 0 })
  server.become(json({ openid: OPENID, access_token: 'x', unionid: 'u' }))
  t.match(await oauth.exchange('code'), { unionid: 'u', refreshToken: '', scope: '', expiresIn: 0 })
  server.become(json({ errcode: -1, errmsg: 'system error' }))
  await t.rejects(oauth.check('token', OPENID), { code: 'WECHAT_API', wechatCode: '-1' }, 'a failed check is an error, not false')
  server.become((_seen, reply) => { reply.destroy() })
  await t.rejects(oauth.check('token', OPENID), { code: 'WECHAT_NETWORK' })
})

t.test('an echoed secret is redacted', async t => {
  const server = await fakeServer((seen, reply) => { reply.end(JSON.stringify({ errcode: 40029, errmsg: `invalid code ${seen.url}` })) })
  t.teardown(server.close)
  const error = await createOAuth({ appId, appSecret, endpoints: server.endpoints }).exchange('code').catch((error: unknown) => error) as Error
  t.match(error, { code: 'WECHAT_API' })
  t.notMatch(JSON.stringify(error) + error.stack, new RegExp(appSecret))
})
