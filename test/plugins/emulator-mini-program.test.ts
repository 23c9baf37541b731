/** The emulator's mini program APIs, as recorded or documented by WeChat. */
import { createHmac } from 'node:crypto'
import { inflateSync } from 'node:zlib'
import t from 'tap'
import { createPay } from '../../src/pay/pay.ts'
import { OPENID, testEmulator } from '../helpers/account.ts'

type Json = Record<string, any>

const RID = '[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}'

async function stage (t: Parameters<typeof testEmulator>[0], options: object = {}) {
  const emulator = await testEmulator(t, options)
  const { appId, appSecret } = emulator.account
  const token = (await emulator.app.inject(`/cgi-bin/token?grant_type=client_credential&appid=${appId}&secret=${appSecret}`)).json<Json>().access_token as string
  const raw = async (path: string, payload: object) => await emulator.app.inject({ method: 'POST', url: `${path}?access_token=${token}`, payload })
  return {
    emulator,
    raw,
    post: async (path: string, payload: object): Promise<Json> => (await raw(path, payload)).json(),
    get: async (path: string, query: Record<string, string>): Promise<Json> => (await emulator.app.inject(`${path}?${new URLSearchParams({ access_token: token, ...query })}`)).json(),
    login: async (code: string, more: object = {}): Promise<string> => (await emulator.app.inject(`/sns/jscode2session?${new URLSearchParams({ appid: appId, secret: appSecret, js_code: code, grant_type: 'authorization_code', ...more })}`)).body
  }
}

const sign = (key: string) => createHmac('sha256', key).update('').digest('hex')

t.test('jscode2session: session_key first, no errcode; errors', async t => {
  const { emulator, login } = await stage(t)
  const code = await emulator.loginCode()
  t.match(await login(code), new RegExp(`^\\{"session_key":"[0-9A-Za-z+/]{22}==","openid":"${OPENID}"\\}$`), 'as recorded')
  for (const [what, reply, errcode, errmsg] of [
    ['used (WxJava 1323)', await login(code), 40163, 'code been used'],
    ['unknown', await login('x'), 40029, 'invalid code'],
    ['missing', await login(''), 41008, 'missing code'],
    ['another app', await login('x', { appid: 'wx1' }), 40013, 'invalid appid'],
    ['wrong secret', await login('x', { secret: 'x' }), 40125, 'invalid appsecret, view more at http://t.cn/RAEkdVq'],
    ['a blocked user (community/develop/doc/00082e5e3b4fb8b1747ca43eb5b800)', await login(await emulator.loginCode(OPENID, { blocked: true })), 40226, 'code blocked']
  ] as const) {
    t.match(JSON.parse(reply), { errcode }, what)
    t.match(JSON.parse(reply).errmsg, new RegExp(`^${errmsg.replaceAll('.', '\\.')}, rid: ${RID}$`), what)
  }
  const late = await emulator.loginCode()
  emulator.advance(300_001)
  t.match(JSON.parse(await login(late)), { errcode: 40029 }, 'five minutes')
  for (const kind of ['-1', '45011']) {
    await emulator.fault({ kind, path: '/sns/jscode2session' })
    t.match(JSON.parse(await login(late)), { errcode: Number(kind) }, 'on demand')
  }
})

t.test('45011: more than a hundred logins of a user per minute (WeChat\'s documentation)', async t => {
  const { emulator, login } = await stage(t)
  const once = async (openid?: string) => JSON.parse(await login(await emulator.loginCode(openid))) as Json
  for (let count = 0; count < 100; count++) t.match(await once(), { openid: OPENID })
  t.match(await once(), { errcode: 45011, errmsg: /^api minute-quota reach limit mustslower retry next minute, rid: / })
  t.match(await once('oUpF8uN95-Ptaags6E_roPHg7AG0'), { session_key: /./ }, 'another user')
  emulator.advance(60_001)
  t.match(await once(), { openid: OPENID }, 'the next minute')
})

t.test('a session key is checked by a signature of an empty message, and can be replaced', async t => {
  const { emulator, login, get } = await stage(t)
  const session = async () => (JSON.parse(await login(await emulator.loginCode())) as Json).session_key as string
  const key = await session()
  const check = async (signature: string, path = '/wxa/checksession') => await get(path, { openid: OPENID, sig_method: 'hmac_sha256', signature })
  t.match(await check(sign(key)), { errcode: 0, errmsg: 'ok' })
  t.match(await check('x'), { errcode: 87009, errmsg: /^invalid signature rid: / })
  t.match(await check(createHmac('sha256', Buffer.from(key, 'base64')).update('').digest('hex')), { errcode: 87009 }, 'the key is its text')
  const fresh = await check(sign(key), '/wxa/resetusersessionkey')
  t.match(fresh, { errcode: 0, openid: OPENID, session_key: /==$/ })
  t.match(await check(sign(key)), { errcode: 87009 }, 'replaced')
  t.match(await check(sign(fresh.session_key)), { errcode: 0 })
  await session()
  t.match(await check(sign(fresh.session_key), '/wxa/resetusersessionkey'), { errcode: 87009 }, 'a new login replaces it, too')
})

t.test('a phone number, as recorded', async t => {
  const { emulator, post } = await stage(t)
  const code = await emulator.phoneCode('13912345678')
  const given = await post('/wxa/business/getuserphonenumber', { code })
  t.equal(JSON.stringify(given), JSON.stringify({ errcode: 0, errmsg: 'ok', phone_info: { phoneNumber: '13912345678', purePhoneNumber: '13912345678', countryCode: '86', watermark: { timestamp: given.phone_info.watermark.timestamp, appid: emulator.account.appId } } }))
  t.match(await post('/wxa/business/getuserphonenumber', { code }), { errcode: 40163 })
  t.match(await post('/wxa/business/getuserphonenumber', { code: 'x' }), { errcode: 40029, errmsg: /^invalid code rid: / })
})

t.test('codes are valid images', async t => {
  const { raw, post } = await stage(t)
  for (const [path, body] of [['/wxa/getwxacode', { path: 'pages/index?a=1', width: 430 }], ['/wxa/getwxacodeunlimit', { scene: 'a=1', page: 'pages/index' }], ['/cgi-bin/wxaapp/createwxaqrcode', { path: 'pages/index', width: 280 }]] as const) {
    const reply = await raw(path, body)
    t.equal(reply.headers['content-type'], 'image/png')
    const png = reply.rawPayload
    const side = 'width' in body ? body.width : 430
    t.same([png.subarray(1, 4).toString(), png.readUInt32BE(16), png.readUInt32BE(20)], ['PNG', side, side])
    const at = png.indexOf('IDAT')
    const rows = inflateSync(png.subarray(at + 4, at + 4 + png.readUInt32BE(at - 4)))
    t.same([rows.length, rows.includes(0), rows.includes(255)], [(side + 1) * side, true, true], 'dark and light')
  }
  t.match(await post('/wxa/getwxacodeunlimit', { scene: '' }), { errcode: 40129, errmsg: /^invalid scene rid: / })
  t.match(await post('/wxa/getwxacodeunlimit', { scene: 'a', page: '/pages/index' }), { errcode: 41030, errmsg: /^invalid page rid: / })
})

t.test('shipping: not in the first seconds, once, and changed once; all documented errors', async t => {
  const { emulator, post } = await stage(t, { timeScale: 1 })
  const pay = createPay({ ...emulator.config, merchant: { ...emulator.config.merchant, notifyUrl: 'http://127.0.0.1:1/n' } })
  const upload = (body: object) => post('/wxa/sec/order/upload_shipping_info', body)
  const query = (body: object) => post('/wxa/sec/order/get_order', body)
  const { mchId } = emulator.account
  await pay.miniProgram({ outTradeNo: 'SHIP1', description: '咖啡', amount: 6800, openid: OPENID })
  const { transaction_id: id } = await emulator.pay('SHIP1')
  const key = { order_number_type: 2, transaction_id: id }
  const parcel = { item_desc: '咖啡', tracking_no: 'YT1', express_company: 'YTO' }
  const info = { order_key: key, logistics_type: 1, delivery_mode: 1, shipping_list: [parcel], upload_time: '2026-11-27T10:00:00.000+08:00', payer: { openid: OPENID } }
  t.match(await upload(info), { errcode: 10060001, errmsg: new RegExp(`^支付单不存在 rid: ${RID}$`) }, 'as often reported: the shipping service does not know it yet')
  emulator.advance(10_000)
  t.match(await query({ transaction_id: id }), { errcode: 0, order: { order_state: 1, paid_amount: 6800, shipping: { finish_shipping: false } } })
  for (const [change, errcode] of [
    [{ order_key: { ...key, order_number_type: 3 } }, 268485194], [{ order_key: { order_number_type: 2 } }, 268485195], [{ order_key: { order_number_type: 1 } }, 268485196], [{ order_key: { order_number_type: 1, mchid: mchId } }, 268485197],
    [{ order_key: { order_number_type: 1, mchid: '1', out_trade_no: 'SHIP1' } }, 10060001], [{ payer: { openid: 'o' } }, 10060031], [{ logistics_type: 5 }, 10060005], [{ delivery_mode: 3 }, 268485224], [{ logistics_type: 4, delivery_mode: 2 }, 10060006],
    [{ delivery_mode: 2 }, 10060007], [{ shipping_list: [] }, 10060014], [{ shipping_list: [parcel, parcel] }, 268485228], [{ delivery_mode: 2, is_all_delivered: true, shipping_list: Array(16).fill(parcel) }, 10060024], [{ shipping_list: [{ ...parcel, item_desc: '' }] }, 10060008],
    [{ shipping_list: [{ ...parcel, item_desc: '咖'.repeat(121) }] }, 10060009], [{ shipping_list: [{ ...parcel, tracking_no: '' }] }, 268485226], [{ shipping_list: [{ ...parcel, express_company: '' }] }, 268485227], [{ upload_time: 'now' }, 268485216]
  ] as const) t.match(await upload({ ...info, ...change }), { errcode }, JSON.stringify(change).slice(0, 80))
  t.match(await upload({ ...info, order_key: { order_number_type: 1, mchid: mchId, out_trade_no: 'SHIP1' } }), { errcode: 0 })
  t.match(await upload(info), { errcode: 10060023, errmsg: /^发货信息未更新/ }, 'an identical upload')
  const changed = { ...info, shipping_list: [{ ...parcel, tracking_no: 'YT2' }] }
  t.match(await upload(changed), { errcode: 0 }, 'changed once')
  t.match(await upload(info), { errcode: 10060003, errmsg: /^支付单已使用重新发货机会 rid: / }, 'only once')
  t.match(await query({ merchant_id: mchId, merchant_trade_no: 'SHIP1' }), { order: { order_state: 2, shipping: { finish_shipping: true, finish_shipping_count: 2, shipping_list: [{ tracking_no: 'YT2', express_company: 'YTO' }] } } })
  t.match(await query({}), { errcode: 10060014 })

  await pay.miniProgram({ outTradeNo: 'SHIP2', description: '茶', amount: 100, openid: OPENID })
  const second = await emulator.pay('SHIP2')
  emulator.advance(10_000)
  const parts = { ...info, order_key: { order_number_type: 2, transaction_id: second.transaction_id }, delivery_mode: 2, is_all_delivered: false }
  t.match(await upload(parts), { errcode: 0 }, 'the first of several parcels')
  t.match(await query({ transaction_id: second.transaction_id }), { order: { order_state: 1 } })
  t.match(await upload({ ...parts, is_all_delivered: true, shipping_list: [parcel, { ...parcel, tracking_no: 'YT9' }] }), { errcode: 0 })
  t.match(await query({ transaction_id: second.transaction_id }), { order: { order_state: 2, shipping: { finish_shipping_count: 1 } } })
  await emulator.refundInConsole('SHIP2')
  t.match(await upload({ ...parts, is_all_delivered: true, shipping_list: [parcel] }), { errcode: 10060004, errmsg: /^支付单处于不可发货的状态 rid: / })
  t.match(await query({ transaction_id: second.transaction_id }), { order: { order_state: 5 } })

  const state = (await emulator.app.inject('/_emulator/state')).json<Json>()
  t.match(state, { counts: { 'mini-program': 2 }, shipped: [{ out_trade_no: 'SHIP2' }, { out_trade_no: 'SHIP1', state: 'shipped' }], logins: [] })
  await emulator.loginCode()
  t.match((await emulator.app.inject('/_emulator/records/mini-program')).json(), { total: 3, items: [{ table: 'jsCodes', state: 'issued' }, { number: 'SHIP2' }, { number: 'SHIP1' }] })
})

t.test('the bridge\'s wx.login and wx.requestPayment', async t => {
  const { emulator, login } = await stage(t, { appIds: ['wxminiprogram00001'] })
  const ask = async (name: string, payload: object): Promise<Json> => (await emulator.app.inject({ method: 'POST', url: `/_emulator/bridge/${name}`, payload: JSON.stringify(payload), headers: { 'content-type': 'text/plain' } })).json()
  const { code } = await ask('login', { openid: 'oUpF8uN95-Ptaags6E_roPHg7AG0' })
  t.match(JSON.parse(await login(code)), { openid: 'oUpF8uN95-Ptaags6E_roPHg7AG0' })
  t.match(JSON.parse(await login((await ask('login', {})).code)), { openid: OPENID })
  const merchant = { ...emulator.bothConfig.merchant, notifyUrl: 'http://127.0.0.1:1/n', appIds: ['wxminiprogram00001'] }
  for (const version of ['v2', 'v3'] as const) {
    const pay = createPay({ ...emulator.bothConfig, version, merchant })
    const params = await pay.miniProgram({ outTradeNo: `MINI-${version}`, description: '咖啡', amount: 100, openid: OPENID })
    t.match(await ask('requestPayment', params), { cashier: /^\/_emulator\/cashier\/wx/ }, version)
    t.match(await ask('requestPayment', { ...params, paySign: 'x' }), { err_msg: 'requestPayment:fail', err_desc: '支付验证签名失败' })
    t.match(await ask('requestPayment', { ...params, appId: 'wxminiprogram00001' }), { err_desc: '支付验证签名失败' }, 'signed for another mini program')
    t.match(await ask('requestPayment', { ...params, appId: 'wxelsewhere0000001' }), { err_desc: 'appId无效' })
    const other = await pay.miniProgram({ outTradeNo: `MINI2-${version}`, description: '咖啡', amount: 100, openid: OPENID, appId: 'wxminiprogram00001' })
    t.match(await ask('requestPayment', { ...other, appId: 'wxminiprogram00001' }), { cashier: /./ }, 'another appId of the merchant')
  }
})
