/** The emulator refuses what WeChat refuses, with WeChat's messages. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import Fastify from 'fastify'
import t from 'tap'
import { createEmulator, emulator as plugin } from '../../plugins/emulator/server/emulator.ts'
import { issueCertificate } from '../../plugins/emulator/keys/x509.ts'
import { signV2 } from '../../src/pay/v2/sign.ts'
import { writeXml } from '../../src/pay/v2/write-xml.ts'
import { readXml } from '../../src/pay/v2/xml.ts'
import { OPENID, testEmulator } from '../helpers/account.ts'
import { fakeServer } from '../helpers/fake-server.ts'
import { need } from '../helpers/needs.ts'
import { patience } from '../helpers/patience.ts'

type Emulator = Pick<Awaited<ReturnType<typeof createEmulator>>, 'app' | 'account'>
const RID = / rid: [0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}$/

const stable = (emulator: Emulator, change: object = {}) => emulator.app.inject({
  method: 'POST', url: '/cgi-bin/stable_token', payload: { grant_type: 'client_credential', appid: emulator.account.appId, secret: emulator.account.appSecret, ...change }
}).then(reply => reply.json())
const plain = (emulator: Emulator) => emulator.app.inject(`/cgi-bin/token?grant_type=client_credential&appid=${emulator.account.appId}&secret=${emulator.account.appSecret}`).then(reply => reply.json())
const use = (emulator: Emulator, token: string) => emulator.app.inject(`/cgi-bin/getcallbackip?access_token=${token}`).then(reply => reply.json())

t.test('tokens: WeChat\'s errors', async t => {
  const emulator = await testEmulator(t)
  const cases: Array<[object, number, RegExp]> = [
    [{ grant_type: 'x' }, 40002, /^invalid grant_type/], [{ appid: '' }, 41002, /^appid missing/], [{ secret: '' }, 41004, /^appsecret missing/],
    [{ appid: 'wx1' }, 40013, /^invalid appid/], [{ secret: 'wrong' }, 40125, /^invalid appsecret/]
  ]
  for (const [change, errcode, errmsg] of cases) {
    const answer = await stable(emulator, change)
    t.match(answer, { errcode, errmsg })
    t.match(answer.errmsg, RID)
  }
  t.match((await emulator.app.inject('/cgi-bin/token?grant_type=client_credential&appid=wx1&secret=x')).json(), { errcode: 40013 })
  t.match((await emulator.app.inject('/cgi-bin/stable_token')).json(), { errcode: 43002, errmsg: /^require POST method/ })
  for (const payload of ['{', 'null', '5']) t.match((await emulator.app.inject({ method: 'POST', url: '/cgi-bin/stable_token', payload })).json(), { errcode: 47001 })
  t.match(await use(emulator, ''), { errcode: 41001 })
  t.match(await use(emulator, 'foreign'), { errcode: 40001, errmsg: /^invalid credential, access_token is invalid or not latest/ })
  t.match((await emulator.app.inject('/cgi-bin/ticket/getticket?access_token=x&type=jsapi')).json(), { errcode: 40001 })
  const { access_token: token } = await stable(emulator)
  t.match((await emulator.app.inject(`/cgi-bin/ticket/getticket?access_token=${token}&type=other`)).json(), { errcode: 40097 })
})

t.test('calls made by the doctor', async t => {
  const emulator = await testEmulator(t)
  const { access_token: token } = await stable(emulator)
  const quota = async (cgi_path: unknown, value = token) => (await emulator.app.inject({ method: 'POST', url: `/cgi-bin/openapi/quota/get?access_token=${value}`, payload: { cgi_path } })).json()
  // The shape: developers.weixin.qq.com/doc/offiaccount/openApi/get_api_quota.html, and 76021 there.
  t.same(await quota('/cgi-bin/stable_token'), { errcode: 0, errmsg: 'ok', quota: { daily_limit: 100_000, used: 1, remain: 99_999 } })
  t.match(await quota('https://api.weixin.qq.com/cgi-bin/token'), { errcode: 76021, errmsg: /^cgi_path not found, please check/ })
  t.match(await quota('/cgi-bin/token', 'foreign'), { errcode: 40001 })
  // crawlab-team/artipub 112: the message contains the address to allow.
  await emulator.fault({ kind: '40164', path: '/cgi-bin/stable_token' })
  t.match(await stable(emulator), { errcode: 40164, errmsg: /^invalid ip \S+ ipv6 ::ffff:\S+, not in whitelist rid: / })
  t.match(await stable(emulator), { access_token: token }, 'once')
  // Signatures are checked against the real time, which does not move with the emulator's clock.
  const ahead = await testEmulator(t, { now: () => Date.now() + 3600_000 })
  ahead.advance(86_400_000)
  const date = Date.parse(String((await ahead.app.inject('/cgi-bin/stable_token')).headers.date))
  t.ok(Math.abs(date - Date.now() - 3600_000) < 60_000, 'the Date header has its clock')
})

/** A clock that only moves with `advance`, because a busy machine could exceed a quota's minute. */
const stopped = () => {
  const now = Date.now()
  return () => now
}

t.test('a second plain token invalidates the first after five minutes; a stable one stays until shortly before expiry', async t => {
  const emulator = await testEmulator(t, { now: stopped() })
  const first = (await plain(emulator)).access_token
  const issued = await stable(emulator)
  const second = (await plain(emulator)).access_token
  t.not(first, second)
  t.match(await use(emulator, first), { ip_list: [/./, /./] })
  emulator.advance(301_000)
  t.match(await use(emulator, first), { errcode: 42001 })
  t.match(await use(emulator, second), { ip_list: [/./, /./] })
  t.match(await stable(emulator), { access_token: issued.access_token, expires_in: 6899 })
  emulator.advance(6700_000)
  t.not((await stable(emulator)).access_token, issued.access_token)
  t.match(await use(emulator, issued.access_token), { ip_list: [/./, /./] }, 'the old one stays valid until it expires')
})

t.test('force_refresh invalidates the old token, at most every 30 seconds and 20 times a day; quotas', async t => {
  const emulator = await testEmulator(t, { now: stopped() })
  const first = (await stable(emulator)).access_token
  t.match(await stable(emulator, { force_refresh: true }), { expires_in: 7200 })
  t.match(await use(emulator, first), { errcode: 42001 })
  t.match(await stable(emulator, { force_refresh: true }), { errcode: 45011 })
  for (let at = 0; at < 19; at++) {
    emulator.advance(31_000)
    t.match(await stable(emulator, { force_refresh: true }), { expires_in: 7200 })
  }
  emulator.advance(31_000)
  t.match(await stable(emulator, { force_refresh: true }), { errcode: 45009 })
  const fresh = await testEmulator(t, { now: stopped() })
  t.match(await stable(fresh, { force_refresh: true }), { expires_in: 7200 }, 'also for the first token')
  let last
  for (let at = 0; at < 2001; at++) last = await plain(fresh)
  t.match(last, { errcode: 45009, errmsg: /^reach max api daily quota limit/ })
  for (let at = 0; at < 10_001; at++) last = await stable(fresh)
  t.match(last, { errcode: 45011, errmsg: /^api minute-quota reach limit/ })
})

t.test('control: tokens, config, orders', async t => {
  const emulator = await testEmulator(t, { appId: 'wx00000000000000aa', mchId: '1900000001', apiKey: 'emulatorAAAAAAAAAAAAAAAAAAAAAAAA', appSecret: 'emulatorBBBBBBBBBBBBBBBBBBBBBBBB', tokenLifetime: 60, ticketLifetime: 60 })
  t.match((await emulator.app.inject({ url: '/_emulator/config', headers: { host: '127.0.0.1:1' } })).json(), {
    appId: 'wx00000000000000aa', merchant: { mchId: '1900000001', v2: { apiKey: 'emulatorAAAAAAAAAAAAAAAAAAAAAAAA' } }, endpoints: { api: 'http://127.0.0.1:1', pay: /^https:\/\/127\.0\.0\.1:\d+$/ }, http: { ca: /^-----BEGIN CERTIFICATE-----/ }
  })
  const { access_token: token, expires_in: left } = await stable(emulator)
  t.equal(left, 60)
  await emulator.app.inject(`/cgi-bin/ticket/getticket?access_token=${token}&type=jsapi`)
  t.match(await emulator.issued(), { tokens: 1, tickets: 1, calls: { stable_token: 1, getticket: 1, token: 0 } })
  await emulator.expireTokens({ tickets: true })
  t.match(await use(emulator, token), { errcode: 40001 })
  for (const [method, url] of [['GET', 'orders/none'], ['POST', 'orders/none/pay'], ['POST', 'orders/none/cancel'], ['POST', 'notifications/none/resend']] as const) {
    t.match(await emulator.app.inject({ method, url: `/_emulator/${url}` }), { statusCode: 404 })
  }
  await t.rejects(emulator.pay('none'), { message: 'no such number' })
})

t.test('the authorize page', async t => {
  const emulator = await testEmulator(t, { domains: ['shop.test'] })
  const url = (change: object = {}, path = 'authorize') => `/connect/oauth2/${path}?${new URLSearchParams({ appid: emulator.account.appId, redirect_uri: 'http://localhost:3000/back?a=1', response_type: 'code', scope: 'snsapi_userinfo', state: 's<1>', ...change })}`
  const wrong: Array<[object, string]> = [[{ appid: 'wx1' }, '10013'], [{ redirect_uri: 'https://evil.test/' }, 'redirect_uri域名与后台配置不一致'], [{ redirect_uri: '/x' }, '10003'], [{ response_type: 'token' }, '10004'], [{ scope: 'x' }, '此公众号并没有这些scope的权限']]
  for (const [change, words] of wrong) for (const path of ['authorize', 'authorize_reply']) t.ok((await emulator.app.inject(url(change, path))).body.includes(words), words)
  const page = (await emulator.app.inject(url())).body
  t.match(page, /允许[\s\S]*拒绝/)
  t.notMatch(page, /s<1>/, 'escaped')
  t.notMatch((await emulator.app.inject(`/connect/oauth2/authorize?appid=${emulator.account.appId}&redirect_uri=http://shop.test/&response_type=code&scope=snsapi_userinfo`)).body, /undefined/)
  t.match((await emulator.app.inject(url({ scope: 'snsapi_base' }))).headers.location, /^http:\/\/localhost:3000\/back\?a=1&code=0[0-9a-f]{30}x&state=s/)
  t.match((await emulator.app.inject(url({ action: 'refuse' }, 'authorize_reply'))).headers.location, /\/back\?a=1&state=s/)
  t.match((await emulator.app.inject(`/connect/oauth2/authorize?appid=${emulator.account.appId}&redirect_uri=http://shop.test/&response_type=code&scope=snsapi_base`)).headers.location, /state=$/)

  const sns = async (path: string) => (await emulator.app.inject(`/sns/${path}`)).json()
  const { appId, appSecret } = emulator.account
  const exchange = (change: object) => sns(`oauth2/access_token?${new URLSearchParams({ appid: appId, secret: appSecret, code: 'x', grant_type: 'authorization_code', ...change })}`)
  for (const [change, errcode] of [[{ appid: 'wx1' }, 40013], [{ secret: 'x' }, 40125], [{ grant_type: 'x' }, 40002], [{ code: '' }, 41008], [{}, 40029]] as const) t.match(await exchange(change), { errcode })
  t.match(await sns('oauth2/refresh_token?appid=wx1'), { errcode: 40013 })
  t.match(await sns(`oauth2/refresh_token?appid=${appId}&grant_type=refresh_token`), { errcode: 40030 })
  for (const path of ['auth', 'userinfo']) t.match(await sns(path), { errcode: 40001 })
  const code = new URL((await emulator.app.inject(url({ scope: 'snsapi_base' }))).headers.location as string).searchParams.get('code') as string
  const { access_token: access, openid } = await exchange({ code })
  t.match(await sns(`auth?access_token=${access}&openid=other`), { errcode: 40003 })
  t.match(await sns(`auth?access_token=${access}&openid=${openid}`), { errcode: 0 })
  emulator.advance(7201_000)
  t.match(await sns(`auth?access_token=${access}&openid=${openid}`), { errcode: 42001 })
})

const order = (emulator: Emulator, change: Record<string, string> = {}) => ({
  appid: emulator.account.appId, mch_id: emulator.account.mchId, nonce_str: 'n', body: '咖啡', out_trade_no: 'S1234567890', total_fee: '100', spbill_create_ip: '127.0.0.1', notify_url: 'http://127.0.0.1:1/notify', trade_type: 'JSAPI', openid: OPENID, ...change
})
async function post (emulator: Emulator, path: string, fields: Record<string, string>, sign = signV2(fields, emulator.account.apiKey, fields.sign_type === 'HMAC-SHA256' ? 'HMAC-SHA256' : 'MD5')): Promise<Record<string, string>> {
  const reply = await emulator.app.inject({ method: 'POST', url: path, payload: writeXml({ ...fields, sign }) })
  assert.equal(reply.statusCode, 200)
  assert.match(String(reply.headers['content-type']), /^text\/plain/)
  return { ...readXml(reply.rawPayload) }
}

t.test('unifiedorder: WeChat\'s errors', async t => {
  const emulator = await testEmulator(t)
  const place = (change: Record<string, string> = {}, sign?: string) => post(emulator, '/pay/unifiedorder', order(emulator, change), sign)
  const failed: Array<[Record<string, string>, string]> = [
    [{ mch_id: 'x' }, 'mch_id参数格式错误'], [{ mch_id: '1' }, '商户号mch_id不存在'], [{ appid: 'wx1' }, 'appid和mch_id不匹配'], [{ sign_type: 'SHA1' }, '签名错误，请检查后再试'], [{ nonce_str: '' }, 'nonce_str参数长度有误'],
    [{ trade_type: 'FACE' }, '您没有FACE支付权限'], [{ openid: '' }, 'JSAPI支付必须传openid'], [{ openid: 'x' }, 'invalid openid'], [{ openid: 'oForeignAppVisitor0000000000' }, 'appid and openid not match']
  ]
  for (const [change, return_msg] of failed) t.match(await place(change), { return_code: 'FAIL', return_msg, sign: undefined }, return_msg)
  const { mch_id: _none, ...nobody } = order(emulator)
  t.match(await post(emulator, '/pay/unifiedorder', nobody), { return_msg: 'mch_id参数格式错误' })
  const { nonce_str: _neither, ...bare } = order(emulator)
  t.match(await post(emulator, '/pay/unifiedorder', bare), { return_msg: 'nonce_str参数长度有误' })
  const { out_trade_no: _nor, ...numberless } = order(emulator)
  t.match(await post(emulator, '/pay/orderquery', numberless), { err_code: 'ORDERNOTEXIST' })
  t.match(await place({}, 'WRONG'), { return_code: 'FAIL', return_msg: '签名错误，请检查后再试', sign: undefined })
  const reply = await emulator.app.inject({ method: 'POST', url: '/pay/unifiedorder', payload: { a: 1 } })
  t.equal(reply.body, '<xml><return_code><![CDATA[FAIL]]></return_code>\n<retmsg><![CDATA[输入请求参数xml格式错误]]></retmsg>\n<retcode>1</retcode></xml>')
  for (const name of ['body', 'out_trade_no', 'total_fee', 'spbill_create_ip', 'notify_url', 'trade_type']) t.match(await place({ [name]: '' }), { result_code: 'FAIL', err_code: 'LACK_PARAMS' }, name)
  const bad: Array<Record<string, string>> = [{ total_fee: '0' }, { out_trade_no: 'a b' }, { body: 'x'.repeat(128) }, { attach: 'x'.repeat(128) }, { spbill_create_ip: 'x' }, { notify_url: 'http://x/?a' }, { time_expire: '20200101000000' }, { time_expire: 'x' }]
  // IJPay 81, silenceper/wechat 654.
  t.match(await place({ total_fee: '1.5' }), { return_code: 'FAIL', return_msg: '无法将输入源“/body/xml/total_fee”映射到目标字段“标价金额”中，此字段需要一个合法的 64 位有符号整数' })
  for (const change of bad) t.match(await place(change), { result_code: 'FAIL', err_code: 'PARAM_ERROR', sign: /^[0-9A-F]{32}$/ }, JSON.stringify(change))

  const first = await place({ openid: 'oANewVisitorOfThisAccount000' })
  t.match(first, { result_code: 'SUCCESS', prepay_id: /^wx\d{14}[0-9a-f]{20}$/ })
  t.match(await place({ openid: 'oANewVisitorOfThisAccount000' }), { prepay_id: first.prepay_id })
  for (const change of [{ total_fee: '101' }, { body: '茶' }, { attach: 'x' }, {}]) t.match(await place(change as Record<string, string>), { err_code: 'INVALID_REQUEST', err_code_des: '201 商户订单号重复' })
  emulator.advance(2 * 3600_000 + 1000)
  t.not((await place({ openid: 'oANewVisitorOfThisAccount000' })).prepay_id, first.prepay_id, 'a fresh prepay_id after two hours')
  emulator.advance(7 * 86_400_000)
  t.match(await place(), { err_code: 'ORDERCLOSED' }, 'an order is valid for seven days')
  t.match(await post(emulator, '/pay/orderquery', order(emulator, { out_trade_no: 'none', transaction_id: '1' })), { err_code: 'ORDERNOTEXIST' })
  await t.rejects(emulator.pay('S1234567890'), { message: 'the order is CLOSED' })
  await emulator.cancel('S1234567890')
})

t.test('notifications are repeated on WeChat\'s schedule until accepted', async t => {
  let answers = 0
  const shop = await fakeServer((_seen, reply) => { reply.end(++answers < 4 ? '<xml><return_code>FAIL</return_code></xml>' : '<xml><return_code><![CDATA[SUCCESS]]></return_code></xml>') })
  t.teardown(shop.close)
  const emulator = await testEmulator(t, { timeScale: 0.0001 })
  await post(emulator, '/pay/unifiedorder', order(emulator, { notify_url: `${shop.origin}/notify`, attach: 'x]]>y', sign_type: 'HMAC-SHA256' }))
  await emulator.pay('S1234567890')
  await t.rejects(emulator.pay('S1234567890'), { message: 'the order is SUCCESS' })
  const accepted = await emulator.waitForNotification(delivery => delivery.accepted)
  t.match(accepted, { attempt: 4, out_trade_no: 'S1234567890', reply: { status: 200 }, error: null })
  t.equal(new Set(shop.seen.map(({ body }) => body)).size, 1, 'the same bytes each time')
  t.match({ ...readXml(Buffer.from(shop.seen[0]?.body ?? '')) }, { attach: 'x]]>y', sign_type: 'HMAC-SHA256', sign: /^[0-9A-F]{64}$/ })
  t.match(await emulator.resend(accepted.id), { attempt: 4, accepted: true })
  t.same((await emulator.app.inject('/_emulator/notifications')).json(), emulator.notifications())
  t.equal(emulator.notifications().length, 5)

  await post(emulator, '/pay/unifiedorder', order(emulator, { out_trade_no: 'S2' }))
  await emulator.pay('S2')
  t.match(await emulator.waitForNotification(delivery => delivery.out_trade_no === 'S2' && delivery.attempt === 2), { accepted: false, error: /./, reply: null })
  t.ok(await emulator.waitForNotification())
})

t.test('a closed emulator sends no more notifications', async t => {
  const shop = await fakeServer((_seen, reply) => { setTimeout(() => reply.end('<xml><return_code>FAIL</return_code></xml>'), 100) })
  t.teardown(shop.close)
  const emulator = await testEmulator(t, { timeScale: 0.0001 })
  await post(emulator, '/pay/unifiedorder', order(emulator, { notify_url: `${shop.origin}/notify` }))
  await emulator.pay('S1234567890')
  await emulator.close()
  await new Promise(resolve => setTimeout(resolve, 50))
  t.equal(shop.seen.length, 1)
})

t.test('the JS bridge', async t => {
  const emulator = await testEmulator(t)
  const { apiKey, appId } = emulator.account
  const { prepay_id: id } = await post(emulator, '/pay/unifiedorder', order(emulator))
  const ask = async (name: string, payload: object | string) => (await emulator.app.inject({ method: 'POST', url: `/_emulator/bridge/${name}`, payload })).json()
  const params = (change: Record<string, string> = {}, sign?: string) => {
    const fields = { appId, timeStamp: '1', nonceStr: 'n', package: `prepay_id=${id}`, signType: 'MD5', ...change }
    return { ...fields, paySign: sign ?? signV2(fields, apiKey, 'MD5') }
  }
  t.match(await ask('getBrandWCPayRequest', params()), { cashier: `/_emulator/cashier/${id}` })
  for (const change of [{ package: id as string }, { package: 'prepay_id=none' }, { package: '' }]) t.match(await ask('getBrandWCPayRequest', params(change)), { err_msg: 'get_brand_wcpay_request:fail', err_desc: '调用支付JSAPI缺少参数: total_fee' })
  for (const wrong of [params({}, 'x'), params({ appId: 'wx1' }), params({ signType: 'SHA1' }), params({ signType: 'HMAC-SHA256' }), { ...params(), timeStamp: 1 }]) t.match(await ask('getBrandWCPayRequest', wrong), { err_desc: '支付验证签名失败' })
  t.match(await ask('getBrandWCPayRequest', '{'), { err_msg: 'get_brand_wcpay_request:fail' })
  t.match(await ask('preVerifyJSAPI', '{'), { err_msg: 'preVerifyJSAPI:invalid appid' })
  for (const url of ['x', 'https://evil.test/']) t.match(await ask('preVerifyJSAPI', { appId, url }), { err_msg: 'preVerifyJSAPI:invalid url domain' })
  t.match(await ask('preVerifyJSAPI', { appId, url: 'http://localhost/' }), { err_msg: 'preVerifyJSAPI:invalid signature' })
  t.match((await emulator.app.inject(`/_emulator/cashier/${id}`)).body, /¥1\.00/)
  t.match((await emulator.app.inject('/_emulator/cashier/none')).body, /订单不存在或已过期/)
  await emulator.pay('S1234567890')
  t.match(await ask('getBrandWCPayRequest', params()), { err_desc: '该订单已支付' })
  const { prepay_id: second } = await post(emulator, '/pay/unifiedorder', order(emulator, { out_trade_no: 'S2' }))
  await post(emulator, '/pay/closeorder', order(emulator, { out_trade_no: 'S2' }))
  t.match(await ask('getBrandWCPayRequest', params({ package: `prepay_id=${second}` })), { err_desc: '订单已关闭' })
})

t.test('E2 refuses production without both overrides; listens on loopback; works as a plugin', async t => {
  const environment = process.env.NODE_ENV
  t.teardown(() => { process.env.NODE_ENV = environment ?? ''; delete process.env.WECHAT_EMULATOR_IN_PRODUCTION })
  process.env.NODE_ENV = 'production'
  await t.rejects(createEmulator(), { message: /NODE_ENV=production/ })
  await t.rejects(createEmulator({ allowProduction: true }), { message: /NODE_ENV=production/ })
  process.env.WECHAT_EMULATOR_IN_PRODUCTION = 'yes'
  await t.rejects(createEmulator(), { message: /NODE_ENV=production/ })
  const allowed = await createEmulator({ allowProduction: true })
  t.match(allowed.origin, /^http:\/\/127\.0\.0\.1:/)
  await allowed.close()
  process.env.NODE_ENV = 'test'
  const app = Fastify()
  t.teardown(() => app.close())
  app.post('/mine', async request => request.body)
  await app.register(plugin, { prefix: '/wx' })
  t.match((await app.inject({ url: '/wx/_emulator/config', headers: { host: 'localhost' } })).json(), { endpoints: { api: 'http://localhost/wx' } })
  t.same((await app.inject({ method: 'POST', url: '/mine', payload: { a: 1 } })).json(), { a: 1 })
})

t.test('faults: before or after WeChat acts, for the given number of calls', async t => {
  const emulator = await testEmulator(t)
  const url = `${emulator.origin}/cgi-bin/getcallbackip`
  const ask = async () => await fetch(url, { signal: AbortSignal.timeout(patience(300)) }).then(async reply => `${reply.status} ${(await reply.text()).slice(0, 6)}`, (error: Error) => error.name)
  const healthy = await ask()
  t.match(healthy, /^200 {"errc/)
  const kinds: Array<[string, string]> = [['hang', 'TimeoutError'], ['reset', 'TypeError'], ['html', '200 <html>'], ['502', '502 <html>'], ['garbage', '200 \u0000\u0001{{{<']]
  for (const when of ['before', 'after'] as const) {
    for (const [kind, seen] of kinds) {
      await emulator.fault({ kind, when })
      t.equal(await ask(), seen, `${kind} ${when}`)
      t.equal(await ask(), healthy, 'once')
    }
  }
  await emulator.fault({ kind: 'slow', ms: 50 })
  const startedAt = performance.now()
  t.equal(await ask(), healthy)
  t.ok(performance.now() - startedAt >= 49)
  await emulator.fault({ kind: '502', times: 2, path: '/cgi-bin/other' })
  t.equal(await ask(), healthy, 'another path')
  await emulator.fault({ kind: '502', times: 99 })
  t.match(await ask(), /^502/)
  await emulator.clearFaults()
  t.equal(await ask(), healthy)
})

t.test('payouts require the merchant\'s certificate: without it, nginx answers', async t => {
  const emulator = await testEmulator(t)
  const reply = await emulator.app.inject({ method: 'POST', url: '/secapi/pay/refund', payload: writeXml(order(emulator)) })
  t.match(reply, { statusCode: 400, headers: { 'content-type': /text\/html/ }, body: /No required SSL certificate was sent/ })
})

t.test('its certificates pass openssl\'s strict verification', { skip: need('openssl').skip }, async t => {
  const emulator = await testEmulator(t)
  const { http: { ca }, merchant: { v2: { cert, key } } } = emulator.config
  const folder = t.testdir({ 'ca.pem': ca, 'cert.pem': cert, 'key.pem': key })
  const openssl = (...args: string[]) => execFileSync(need('openssl').path, args, { cwd: folder, stdio: ['ignore', 'pipe', 'ignore'] }).toString()
  t.match(openssl('verify', '-x509_strict', '-CAfile', 'ca.pem', 'cert.pem'), /cert\.pem: OK/)
  t.match(openssl('x509', '-in', 'cert.pem', '-noout', '-subject'), new RegExp(emulator.account.mchId))
  t.equal(openssl('x509', '-in', 'cert.pem', '-noout', '-pubkey'), openssl('pkey', '-in', 'key.pem', '-pubout'))
})

t.test('an RSA CA, and a certificate for a public key', t => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const cert = new X509Certificate(issueCertificate({ subject: { commonName: 'x' }, publicKey: createPublicKey(privateKey), issuer: { name: { commonName: 'y' }, key: privateKey }, notBefore: new Date(), notAfter: new Date(Date.now() + 1000) }))
  t.ok(cert.verify(createPublicKey(privateKey)))
  t.match(cert, { subject: 'CN=x', issuer: 'CN=y' })
  t.end()
})

t.test('control: codes, refunds, invalid actions', async t => {
  const emulator = await testEmulator(t)
  await t.rejects(emulator.authCode('wrong' as never), { message: /behaviour must be/ })
  await t.rejects(emulator.settleRefund('none'), { message: 'no such number' })
  t.same((await emulator.app.inject('/_emulator/refunds')).json(), [])
  const place = await post(emulator, '/pay/unifiedorder', order(emulator))
  t.match((await emulator.app.inject(`/_emulator/cashier/${place.prepay_id}`)).body, /支付/)
  t.match((await emulator.app.inject({ url: '/_emulator/h5?prepay_id=none', headers: { referer: 'http://x' } })).body, /不存在/)
})
