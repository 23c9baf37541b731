/** A mini program's calls, against the emulator and against faulty servers. */
import { inspect } from 'node:util'
import t from 'tap'
import { createAccount, createMiniProgram, createPay, WechatError } from '../../../src/index.ts'
import { ACCOUNT, OPENID, testEmulator } from '../../helpers/account.ts'
import { FAULTS, fakeServer, json } from '../../helpers/fake-server.ts'

const { appId, appSecret } = ACCOUNT
const SESSION_KEY = Buffer.from('canarysessionkey').toString('base64')

t.test('login, session, phone number and codes', async t => {
  const emulator = await testEmulator(t)
  const mini = createMiniProgram(emulator.bothConfig)
  t.teardown(mini.disconnect)
  const session = await mini.login(await emulator.loginCode())
  t.same(Object.keys(session), ['openid'], 'the session key is not enumerable')
  t.match(session.sessionKey, /^[0-9A-Za-z+/]{22}==$/)
  t.notMatch(JSON.stringify(session) + inspect(session) + JSON.stringify({ ...session }), session.sessionKey)
  t.equal(await mini.checkSession(session), true)
  t.equal(await mini.checkSession({ openid: OPENID, sessionKey: SESSION_KEY }), false)
  await mini.login(await emulator.loginCode())
  t.equal(await mini.checkSession(session), false, 'a later login replaces it')
  await t.rejects(mini.checkSession(undefined as never), { code: 'WECHAT_INPUT', message: /\{ openid, sessionKey \}/ })

  t.same(await mini.phoneNumber(await emulator.phoneCode('13912345678')), { phoneNumber: '13912345678', purePhoneNumber: '13912345678', countryCode: '86' })
  await t.rejects(mini.phoneNumber('none'), { code: 'WECHAT_API', wechatCode: '40029', statusCode: 403, advice: /phone number button/ })
  await emulator.expireTokens()
  t.match(await mini.code({ scene: 'order=1', page: 'pages/order', version: 'trial', width: 300, color: { r: 1, g: 2, b: 3 }, transparent: true, checkPath: false }), { contentType: 'image/png' }, 'an invalid token is renewed')
  const { picture } = await mini.code({ path: 'pages/order?id=1' })
  t.same([picture.readUInt32BE(16), picture.subarray(1, 4).toString()], [430, 'PNG'])
  for (const [wanted, field] of [
    [{ scene: '' }, 'scene'], [{ scene: 'a b' }, 'scene'], [{ scene: 'x'.repeat(33) }, 'scene'], [{ scene: 'a', page: '/pages/x' }, 'page'], [{ scene: 'a', page: 'pages/x?y=1' }, 'page'], [{ path: '' }, 'path'], [{ path: '/x' }, 'path'],
    [{ path: 'x', width: 100 }, 'width'], [{ path: 'x', version: 'beta' }, 'version'], [{ path: 'x', color: { r: 256, g: 0, b: 0 } }, 'color'], [null, 'code']
  ] as const) await t.rejects(mini.code(wanted as never), { code: 'WECHAT_INPUT', field })
})

t.test('each login error has a status, advice in both languages, and retryable', async t => {
  const emulator = await testEmulator(t)
  const { miniProgram } = createAccount(emulator.bothConfig)
  const used = await emulator.loginCode()
  await miniProgram.login(used)
  for (const [code, error] of [
    ['none', { wechatCode: '40029', statusCode: 403, retryable: false }],
    [used, { wechatCode: '40163', statusCode: 403, retryable: false }],
    [await emulator.loginCode(OPENID, { blocked: true }), { wechatCode: '40226', statusCode: 403, retryable: false, advice: /blocks this user/ }]
  ] as const) await t.rejects(miniProgram.login(code), { code: 'WECHAT_API', fault: 'caller', advice: /./, adviceZh: /[一-鿿]/, requestId: /^[0-9a-f]{8}-/, ...error })
  for (const [kind, error] of [['45011', { statusCode: 503, advice: /100 per user and minute/ }], ['-1', { statusCode: 502, fault: 'wechat', advice: /busy/ }]] as const) {
    const code = await emulator.loginCode()
    await emulator.fault({ kind, path: '/sns/jscode2session' })
    t.match(await miniProgram.login(code), { openid: OPENID }, 'retried automatically')
    const other = await emulator.loginCode()
    await emulator.fault({ kind, path: '/sns/jscode2session', times: 3 })
    await t.rejects(miniProgram.login(other), { code: 'WECHAT_API', wechatCode: kind, retryable: true, ...error })
    t.match(await miniProgram.login(other), { openid: OPENID }, 'the code was not redeemed')
  }
  for (const code of ['', 'a b', 'x&appid=1', '"', 5, undefined, 'x'.repeat(129)]) await t.rejects(miniProgram.login(code as string), { code: 'WECHAT_INPUT', field: 'code' })
})

t.test('sessionProvider instead of jscode2session', async t => {
  const codes: string[] = []
  const provide = (answer: unknown) => createAccount({ appId, tokenProvider: async () => ({ accessToken: 'x'.repeat(20), expiresIn: 7200 }), sessionProvider: async code => { codes.push(code); return answer as never } }).miniProgram
  const session = await provide({ openid: OPENID, sessionKey: SESSION_KEY, unionid: 'u1' }).login('c0de')
  t.same([codes, { ...session }, session.sessionKey], [['c0de'], { openid: OPENID, unionid: 'u1' }, SESSION_KEY])
  for (const answer of [undefined, null, 5]) await t.rejects(provide(answer).login('c'), { code: 'WECHAT_PROVIDER' })
  for (const answer of [{}, { openid: OPENID }, { openid: OPENID, sessionKey: 'x' }, { openid: 'a b', sessionKey: SESSION_KEY }]) await t.rejects(provide(answer).login('c'), { code: 'WECHAT_REPLY' })
  const failing = createAccount({ appId, appSecret, sessionProvider: async () => { throw new Error(SESSION_KEY) } }).miniProgram
  await t.rejects(failing.login('c'), { code: 'WECHAT_PROVIDER', message: 'sessionProvider failed', retryable: true })
  const refusing = createAccount({ appId, appSecret, sessionProvider: async () => { throw new WechatError('WECHAT_API', 'x', { wechatCode: '40029' }) } }).miniProgram
  await t.rejects(refusing.login('c'), { code: 'WECHAT_API', wechatCode: '40029' }, 'our own error is passed through')
  const without = createAccount({ appId, tokenProvider: async () => ({ accessToken: 'x'.repeat(20), expiresIn: 7200 }) }).miniProgram
  await t.rejects(without.login('c'), { code: 'WECHAT_CONFIG', option: 'appSecret' })
})

t.test('shipping: upload, query, and input errors before any call', async t => {
  const emulator = await testEmulator(t, { timeScale: 1 })
  const pay = createPay({ ...emulator.bothConfig, merchant: { ...emulator.bothConfig.merchant, notifyUrl: 'http://127.0.0.1:1/n' } })
  const { shipping } = createMiniProgram(emulator.bothConfig)
  const paid = async (outTradeNo: string) => {
    await pay.miniProgram({ outTradeNo, description: '咖啡', amount: 6800, openid: OPENID })
    return (await emulator.pay(outTradeNo)).transaction_id
  }
  const transactionId = await paid('SHIP-00001')
  const parcel = { description: '咖啡', trackingNo: 'YT1', carrier: 'YTO' }
  const shipment = { transactionId, openid: OPENID, by: 'express', parcels: [parcel] } as const
  const early = await shipping.upload({ ...shipment, parcels: [parcel] }).catch((error: unknown) => error)
  t.match(early, { wechatCode: '10060001', retryable: true, statusCode: 503, advice: /ten seconds/, adviceZh: /十秒/ }, 'in the first seconds')
  t.equal((await emulator.calls()).filter(({ url }) => url.includes('upload_shipping_info')).length, 1, 'and not repeated at once')
  emulator.advance(10_000)
  t.match(await shipping.query({ transactionId }), { state: 'unshipped', amount: 6800, outTradeNo: 'SHIP-00001', openid: OPENID, complete: false, parcels: [] })
  await shipping.upload({ ...shipment, parcels: [parcel] })
  await shipping.upload({ ...shipment, parcels: [parcel] })
  t.match(await shipping.query({ outTradeNo: 'SHIP-00001' }), { transactionId, state: 'shipped', complete: true, inComplaint: false, parcels: [{ description: '咖啡', trackingNo: 'YT1', carrier: 'YTO' }], paidAt: Date })
  await shipping.upload({ outTradeNo: 'SHIP-00001', openid: OPENID, by: 'pickup', parcels: [{ description: '咖啡' }] })
  await t.rejects(shipping.upload({ ...shipment, parcels: [parcel] }), { code: 'WECHAT_API', wechatCode: '10060003', statusCode: 409, retryable: false })
  await t.rejects(shipping.upload({ ...shipment, openid: 'oAnotherVisitor0000000000000', parcels: [parcel] }), { code: 'WECHAT_API', wechatCode: '10060031', statusCode: 400 })
  await paid('SHIP-00002')
  emulator.advance(10_000)
  await shipping.upload({ outTradeNo: 'SHIP-00002', openid: OPENID, by: 'express', parcels: [{ ...parcel, carrier: 'SF', receiverContact: '189****1234' }], complete: false })
  t.match(await shipping.query({ outTradeNo: 'SHIP-00002' }), { state: 'unshipped', complete: false })
  await shipping.upload({ outTradeNo: 'SHIP-00002', openid: OPENID, by: 'express', parcels: [parcel, { ...parcel, trackingNo: 'YT2' }], complete: true })
  t.match(await shipping.query({ outTradeNo: 'SHIP-00002' }), { state: 'shipped', complete: true })

  for (const [change, field] of [
    [{ transactionId: 'x/y' }, 'transactionId'], [{ openid: '' }, 'openid'], [{ by: 'air' }, 'by'], [{ parcels: [] }, 'parcels'], [{ parcels: Array(16).fill(parcel), complete: true }, 'parcels'], [{ parcels: [parcel, parcel] }, 'complete'],
    [{ by: 'pickup', complete: true }, 'complete'], [{ at: new Date(NaN) }, 'at'], [{ parcels: [{ ...parcel, description: ' ' }] }, 'parcels[0].description'], [{ parcels: [{ ...parcel, description: 'x'.repeat(121) }] }, 'parcels[0].description'],
    [{ parcels: [{ description: 'x', carrier: 'YTO' }] }, 'parcels[0].trackingNo'], [{ parcels: [{ description: 'x', trackingNo: '1' }] }, 'parcels[0].carrier'], [{ parcels: [{ ...parcel, carrier: 'SF' }] }, 'parcels[0].receiverContact']
  ] as const) await t.rejects(shipping.upload({ ...shipment, ...change } as never), { code: 'WECHAT_INPUT', field }, field)
  await t.rejects(createMiniProgram({ ...emulator.config, merchant: undefined } as never).shipping.query({ outTradeNo: 'A' }), { code: 'WECHAT_INPUT', field: 'mchId' })
  await t.rejects(shipping.query({ outTradeNo: 'a/b' }), { code: 'WECHAT_INPUT', field: 'outTradeNo' })
  await t.rejects(shipping.query(null as never), { code: 'WECHAT_INPUT', field: 'order' })
})

t.test('unusable answers are typed errors without secrets', async t => {
  const server = await fakeServer(json({}))
  t.teardown(server.close)
  const mini = createMiniProgram({ appId, tokenProvider: async () => ({ accessToken: 'canary_access_token_of_the_account', expiresIn: 7200 }), appSecret, endpoints: server.endpoints, http: { retries: 0 } })
  const calls = [
    () => mini.login('canaryLoginCode'), () => mini.checkSession({ openid: OPENID, sessionKey: SESSION_KEY }), () => mini.phoneNumber('canaryPhoneCode'), () => mini.code({ scene: 'a' }),
    () => mini.shipping.query({ transactionId: '4200000001' }), () => mini.shipping.upload({ transactionId: '4200000001', openid: OPENID, by: 'virtual', parcels: [{ description: 'x' }] })
  ]
  const echo = (seen: { url: string, body: string }, reply: { end (text: string): void }) => { reply.end(JSON.stringify({ errcode: 40097, errmsg: `${seen.url} ${seen.body}` })) }
  for (const fault of [echo, ...Object.values(FAULTS)]) {
    server.become(fault as never)
    for (const call of calls) {
      const error = await call().catch((error: unknown) => error)
      // Answers that are not images are errors.
      t.match(error, { code: /^WECHAT_/ })
      t.notMatch(inspect(error, { depth: 10, showHidden: true }) + JSON.stringify(error), new RegExp(`${appSecret}|${SESSION_KEY}|canary`))
    }
  }
  for (const [answer, call] of [
    [{}, calls[0]], [{ openid: OPENID }, calls[0]], [{ openid: OPENID, session_key: 'short' }, calls[0]], [{ openid: 'a b', session_key: SESSION_KEY }, calls[0]], [{ openid: { a: 1 }, session_key: SESSION_KEY }, calls[0]],
    [{ errcode: 0 }, calls[2]], [{ errcode: 0, phone_info: { phoneNumber: '1', purePhoneNumber: '1', watermark: { appid: 'wxother' } } }, calls[2]], [{ errcode: 0 }, calls[3]],
    [{ errcode: 0 }, calls[4]], [{ errcode: 0, order: { transaction_id: '4299' } }, calls[4]], [{ errcode: 0, order: { transaction_id: '4200000001', order_state: 9 } }, calls[4]], [{ errcode: 0, order: { transaction_id: '4200000001', order_state: 1, paid_amount: 1.5, pay_time: 1 } }, calls[4]]
  ] as const) {
    server.become(json(answer))
    await t.rejects(call!() as Promise<void>, { code: 'WECHAT_REPLY' }, JSON.stringify(answer))
  }
  server.become((_seen, reply) => { reply.setHeader('content-type', 'text/plain').end(Buffer.from([0xff, 0xd8, 0xff, 0xe0, 1, 2])) })
  t.match(await mini.code({ scene: 'a' }), { contentType: 'image/jpeg' }, 'detected from the bytes')
})
