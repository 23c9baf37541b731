/** The emulator is as strict as WeChat about v3 requests, with WeChat's messages, some of them recorded. */
import { randomBytes } from 'node:crypto'
import t from 'tap'
import type { Test } from 'tap'
import { authorization, signV3 } from '../../src/pay/v3/sign.ts'
import type { Signer } from '../../src/pay/v3/sign.ts'
import { checkMerchant } from '../../src/pay/merchant.ts'
import { createPay } from '../../src/pay/pay.ts'
import { OPENID, testEmulator } from '../helpers/account.ts'

async function stage (t: Test, options: Parameters<typeof testEmulator>[1] = {}) {
  const emulator = await testEmulator(t, options)
  const { mchId, serialNo, privateKey } = checkMerchant(emulator.v3Config.merchant, emulator.origin).v3!
  const signer: Signer = { mchId, serialNo, privateKey }
  async function call (method: 'GET' | 'POST', url: string, body?: unknown, headers: Record<string, string> = {}, as: Signer = signer) {
    const payload = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body)
    const reply = await emulator.app.inject({ method, url, headers: { authorization: await authorization(method, url, payload, as), ...(payload && { 'content-type': 'application/json' }), ...headers }, ...(payload && { payload }) })
    return { status: reply.statusCode, headers: reply.headers, json: reply.body ? reply.json() : undefined }
  }
  const { appId } = emulator.account
  const order = { appid: appId, mchid: mchId, description: '咖啡', out_trade_no: 'EV3123456', notify_url: 'http://127.0.0.1:1/n', amount: { total: 100, currency: 'CNY' }, payer: { openid: OPENID } }
  const place = (change: object = {}, way = 'jsapi') => call('POST', `/v3/pay/transactions/${way}`, { ...order, ...change })
  return { emulator, call, place, signer, order, mchId }
}

t.test('Authorization: unknown serial, other merchant, expired, replayed, altered', async t => {
  const { emulator, call, signer } = await stage(t)
  const url = '/v3/refund/domestic/refunds/none'
  t.match(await call('GET', url), { status: 404, json: { code: 'RESOURCE_NOT_EXISTS' } })
  t.match(await call('GET', url, undefined, { authorization: 'Bearer x' }), { status: 401, json: { code: 'SIGN_ERROR', message: 'Authorization不合法' } })
  t.match(await call('GET', url, undefined, {}, { ...signer, serialNo: 'ABCDEF0123' }), { status: 401, json: { code: 'SIGN_ERROR', message: /序列号/ } })
  t.match(await call('GET', url, undefined, {}, { ...signer, mchId: '1' }), { status: 401, json: { code: 'SIGN_ERROR' } })
  const used = await authorization('GET', url, '', signer)
  t.match(await call('GET', url, undefined, { authorization: used }), { status: 404 })
  t.match(await call('GET', url, undefined, { authorization: used }), { status: 401, json: { message: /nonce_str/ } })
  const old = String(Math.floor(Date.now() / 1000) - 301)
  const signature = await signV3(`GET\n${url}\n${old}\nn\n\n`, signer.privateKey)
  t.match(await call('GET', url, undefined, { authorization: `WECHATPAY2-SHA256-RSA2048 mchid="${signer.mchId}",nonce_str="n",signature="${signature}",timestamp="${old}",serial_no="${signer.serialNo}"` }), { status: 401, json: { message: /timestamp/ } })
  const altered = await call('GET', `${url}?a=1`, undefined, { authorization: await authorization('GET', url, '', signer) })
  t.match(altered, { status: 401, json: { code: 'SIGN_ERROR', message: '错误的签名，验签失败', detail: { detail: { issue: 'sign not match' }, field: 'signature', location: 'authorization', sign_information: { method: 'GET', url: `${url}?a=1` } } } })
  t.match(altered.headers, { 'content-type': 'application/json; charset=utf-8', 'request-id': /^[0-9A-F]{32}-268443699$/, 'wechatpay-signature-type': 'WECHATPAY2-SHA256-RSA2048', 'wechatpay-nonce': /^[0-9a-f]{32}$/, 'content-language': 'zh-CN' })
  for (const ms of [3 * 86_400_000, -9 * 86_400_000]) {
    emulator.advance(ms)
    const far = await call('GET', url)
    t.match(far, { status: 404 }, 'the clock moves, signatures use the real time')
    t.ok(Math.abs(Number(far.headers['wechatpay-timestamp']) - Date.now() / 1000) < 300)
  }
})

t.test('orders: WeChat\'s refusals with codes and inner codes', async t => {
  const { emulator, place, call, mchId } = await stage(t)
  const inner = (number: number) => new RegExp(`-${number}$`)
  const refused: Array<[object, object, string?]> = [
    [{ out_trade_no: 'short' }, { status: 400, json: { code: 'PARAM_ERROR' } }], [{ out_trade_no: 'a@bcdef' }, { json: { code: 'PARAM_ERROR' } }], [{ amount: { total: 0 } }, { json: { code: 'PARAM_ERROR' } }], [{ amount: { total: 1.5 } }, { json: { code: 'PARAM_ERROR' } }],
    [{ amount: { total: 1, currency: 'USD' } }, { json: { code: 'PARAM_ERROR' } }], [{ description: '' }, { json: { code: 'PARAM_ERROR' } }], [{ description: 'x'.repeat(128) }, { json: { code: 'PARAM_ERROR' } }], [{ attach: 'x'.repeat(129) }, { json: { code: 'PARAM_ERROR' } }],
    [{ notify_url: 'http://x/?a' }, { json: { code: 'PARAM_ERROR' } }], [{ time_expire: '2020-01-01T00:00:00+08:00' }, { json: { code: 'PARAM_ERROR' } }], [{ scene_info: { device_id: 'x' } }, { json: { code: 'PARAM_ERROR' } }],
    [{ mchid: '1' }, { json: { code: 'PARAM_ERROR' }, headers: { 'request-id': inner(268447843) } }], [{ appid: 'wx9' }, { json: { code: 'APPID_MCHID_NOT_MATCH' } }],
    [{ payer: {} }, { json: { message: 'JSAPI支付必须传openid' }, headers: { 'request-id': inner(268501013) } }], [{ payer: { openid: 'x' } }, { json: { message: '无效的openid' } }], [{ payer: { openid: 'oForeignAppVisitor0000000000' } }, { json: { message: 'appid和openid不匹配' } }],
    [{ mch_id: '1', other: 1 }, { status: 400, json: { code: 'PARAM_ERROR', message: '请求中含有未在API文档中定义的参数', detail: { location: null, value: ['/body/mch_id', '/body/other'] } } }],
    [{ scene_info: { payer_client_ip: '9.9.9.9' } }, { json: { code: 'PARAM_ERROR' } }, 'h5'], [{}, { json: { code: 'PARAM_ERROR' } }, 'h5']
  ]
  for (const [change, expected, way] of refused) t.match(await place(change, way), expected, JSON.stringify(change))
  t.match(await call('POST', '/v3/pay/transactions/jsapi', '{'), { status: 400, json: { code: 'PARAM_ERROR' } })
  t.match(await call('POST', '/v3/pay/partner/transactions/jsapi', { sp_mchid: mchId }), { json: { code: 'PARAM_ERROR' }, headers: { 'request-id': inner(268443704) } })
  const first = await place()
  t.match(first, { status: 200, json: { prepay_id: /^wx/ } })
  t.match(await place(), { json: first.json })
  t.match(await place({ amount: { total: 101 } }), { status: 400, json: { code: 'INVALID_REQUEST', message: '请求重入时，参数与首次请求时不一致' }, headers: { 'request-id': inner(268498688) } })
  t.match(await call('GET', `/v3/pay/transactions/out-trade-no/none123?mchid=${mchId}`), { status: 404, json: { code: 'ORDER_NOT_EXIST', message: '订单不存在' }, headers: { 'request-id': inner(268512771) } })
  t.match(await call('GET', '/v3/pay/transactions/id/42?mchid=1'), { status: 400 })
  t.match(await call('POST', '/v3/pay/transactions/out-trade-no/none123/close', { mchid: mchId }), { status: 204 })
  t.match(await call('POST', '/v3/pay/transactions/out-trade-no/EV3123456/close', { mchid: '1' }), { status: 400 })
  await emulator.pay('EV3123456')
  t.match(await place(), { status: 400, json: { code: 'ORDERPAID' }, headers: { 'request-id': inner(268449538) } })
  await place({ out_trade_no: 'EV3-code1' })
  const { merchant } = emulator.config
  const v2 = createPay({ ...emulator.config, merchant: { ...merchant, notifyUrl: 'http://127.0.0.1:1/n' } })
  await v2.micropay({ outTradeNo: 'EV3-micro', description: 'x', amount: 1, authCode: await emulator.authCode() })
  t.match(await call('POST', '/v3/pay/transactions/out-trade-no/EV3-micro/close', { mchid: mchId }), { status: 400, headers: { 'request-id': inner(268449641) } })
  await v2.v2.post('/secapi/pay/reverse', { out_trade_no: 'EV3-micro' })
  t.match(await place({ out_trade_no: 'EV3-micro' }), { json: { code: 'ORDER_REVERSED' } })
})

t.test('refunds, bills, transfers: WeChat\'s refusals', async t => {
  const { emulator, call, place } = await stage(t, { balance: 0, refundDelay: 3600 })
  const refund = (change: object = {}) => call('POST', '/v3/refund/domestic/refunds', { out_trade_no: 'EV3123456', out_refund_no: `R${randomBytes(4).toString('hex')}`, amount: { refund: 100, total: 100, currency: 'CNY' }, ...change })
  t.match(await refund(), { status: 404, json: { code: 'RESOURCE_NOT_EXISTS' } })
  await place()
  t.match(await refund(), { status: 400, json: { code: 'INVALID_REQUEST' } }, 'not paid')
  await emulator.pay('EV3123456')
  t.match(await refund({ out_refund_no: 'a/b' }), { json: { code: 'PARAM_ERROR' } })
  t.match(await refund({ amount: { refund: 101, total: 100 } }), { json: { code: 'PARAM_ERROR' } })
  t.match(await refund({ amount: { refund: 1, total: 101 } }), { json: { code: 'INVALID_REQUEST' } })
  for (let at = 0; at < 50; at++) await refund({ amount: { refund: 1, total: 100 } })
  t.match(await refund({ amount: { refund: 1, total: 100 } }), { json: { message: /50次/ } })
  t.match(await refund({ amount: { refund: 99, total: 100 } }), { json: { message: /可退金额/ } })
  await place({ out_trade_no: 'EV3-full1' })
  await emulator.pay('EV3-full1')
  const full = { out_trade_no: 'EV3-full1', out_refund_no: 'FULL1' }
  t.match(await refund(full), { status: 200, json: { status: 'PROCESSING' } })
  t.match(await refund({ ...full, amount: { refund: 1, total: 100 } }), { headers: { 'request-id': /-268498688$/ } })
  t.match(await refund({ out_trade_no: 'EV3-full1' }), { json: { message: '订单已全额退款' } })
  t.match(await call('GET', '/v3/bill/tradebill?bill_date=2020-1-1'), { status: 400, json: { code: 'PARAM_ERROR' } })
  t.match(await call('GET', '/v3/bill/tradebill?bill_date=2020-01-01&bill_type=X'), { status: 400, json: { code: 'PARAM_ERROR' } })
  t.match(await call('GET', '/v3/bill/fundflowbill?bill_date=2020-01-01&account_type=X'), { status: 400, json: { code: 'PARAM_ERROR' } })
  t.match(await call('GET', '/v3/bill/fundflowbill?bill_date=2020-01-01&account_type=FEES'), { status: 400, json: { code: 'NO_STATEMENT_EXIST' } })
  t.match(await call('GET', '/v3/billdownload/file?token=none'), { status: 404 })
  const bill = { appid: emulator.account.appId, out_bill_no: 'TB00001', openid: OPENID, transfer_amount: 100, transfer_remark: 'x', transfer_scene_id: '1000', transfer_scene_report_infos: [{ info_type: '活动名称', info_content: 'a' }, { info_type: '奖励说明', info_content: 'b' }] }
  const transfer = (change: object, headers = {}) => call('POST', '/v3/fund-app/mch-transfer/transfer-bills', { ...bill, ...change }, headers)
  for (const change of [{ out_bill_no: 'x-1' }, { transfer_amount: 0 }, { transfer_scene_report_infos: [] }, { openid: 'x' }]) t.match(await transfer(change), { json: { code: 'PARAM_ERROR' } })
  t.match(await transfer({ appid: 'wx9' }), { json: { code: 'APPID_MCHID_NOT_MATCH' } })
  t.match(await transfer({ user_name: 'plain' }), { status: 400, json: { code: 'PARAM_ERROR', message: 'HTTP header缺少微信支付平台证书序列号(Wechatpay-Serial)' } })
  t.match(await transfer({ user_name: 'plain' }, { 'wechatpay-serial': 'x' }), { json: { message: '请确认待处理的消息是否为加密后的密文' } })
  t.match(await call('POST', '/v3/profitsharing/receivers/add', { appid: bill.appid, type: 'PERSONAL_OPENID', account: OPENID, name: 'plain', relation_type: 'PARTNER' }, { 'wechatpay-serial': 'x' }), { json: { message: '请确认待处理的消息是否为加密后的密文' } })
  t.match(await call('POST', '/v3/combine-transactions/jsapi', { combine_mchid: '1' }), { status: 400 })
  t.match(await call('POST', '/v3/combine-transactions/jsapi', { combine_mchid: emulator.account.mchId, sub_orders: [{}, {}] }), { status: 400 })
})
