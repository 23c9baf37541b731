/**
 * WeChat's replies, verbatim: recorded by others or quoted in public threads, found in
 * November 2026. Each test names its source. Nothing here is derived from this package's code.
 */
import t from 'tap'
import type { Test } from 'tap'
import { signV2 } from '../../src/pay/v2/sign.ts'
import { writeXml } from '../../src/pay/v2/write-xml.ts'
import { readXml } from '../../src/pay/v2/xml.ts'
import { OPENID, testEmulator } from '../helpers/account.ts'
import { openResource } from '../helpers/open-resource.ts'
import { v3Caller } from '../helpers/v3-caller.ts'
import type { Json } from '../helpers/v3-caller.ts'

/** A v2 merchant that sends plain XML with its client certificate. */
async function v2Stage (t: Test, options: Parameters<typeof testEmulator>[1] = {}) {
  const emulator = await testEmulator(t, { refundDelay: 3600, ...options })
  const { appId, mchId, apiKey } = emulator.account
  const { Agent, request } = await import('undici')
  const { http: { ca }, merchant: { v2: { cert, key } }, endpoints } = emulator.bothConfig
  const agent = new Agent({ connect: { ca, cert, key } })
  t.teardown(() => agent.destroy())
  async function send (path: string, fields: Record<string, string>, signType: 'MD5' | 'HMAC-SHA256' = 'MD5') {
    const all: Record<string, string> = { appid: appId, mch_id: mchId, nonce_str: 'n', ...(signType !== 'MD5' && { sign_type: signType }), ...fields }
    const reply = await request(endpoints.pay + path, { method: 'POST', dispatcher: agent, body: writeXml({ ...all, sign: signV2(all, apiKey, signType) }) })
    return await reply.body.text()
  }
  const post = async (path: string, fields: Record<string, string>, signType?: 'MD5' | 'HMAC-SHA256') => ({ ...readXml(Buffer.from(await send(path, fields, signType))) }) as Record<string, string>
  const place = (number: string, change: Record<string, string> = {}) => post('/pay/unifiedorder', { body: 'x', out_trade_no: number, total_fee: '100', spbill_create_ip: '127.0.0.1', notify_url: 'http://127.0.0.1:1/n', trade_type: 'JSAPI', openid: OPENID, attach: 'a', ...change })
  return { emulator, send, post, place }
}

const MATRIX = 'a whole matrix of v2 recorded by one developer in August 2018, parts again in 2021'

t.test(`closeorder: ${MATRIX}`, async t => {
  const { emulator, send, post, place } = await v2Stage(t)
  for (const number of ['UNPAID', 'PAID', 'REFUNDED']) await place(number)
  for (const number of ['PAID', 'REFUNDED']) await emulator.pay(number)
  await post('/secapi/pay/refund', { out_trade_no: 'REFUNDED', out_refund_no: 'R1', total_fee: '100', refund_fee: '40' })
  for (const [what, number] of [['unpaid', 'UNPAID'], ['closed', 'UNPAID'], ['unknown', 'NONE']] as const) {
    const answer = await post('/pay/closeorder', { out_trade_no: number })
    t.match(answer, { return_code: 'SUCCESS', result_code: 'SUCCESS', sub_mch_id: '' }, what)
    t.notOk('result_msg' in answer)
  }
  for (const number of ['PAID', 'REFUNDED']) t.match(await post('/pay/closeorder', { out_trade_no: number }), { result_code: 'FAIL', err_code: 'ORDERPAID', err_code_des: 'order paid', sub_mch_id: '' }, number)
  t.match(await send('/pay/closeorder', { out_trade_no: 'NONE' }), '<sub_mch_id><![CDATA[]]></sub_mch_id>', 'empty in each of its answers')
})

t.test(`orderquery: ${MATRIX}`, async t => {
  const { emulator, post, place } = await v2Stage(t)
  await place('ORDER')
  const unpaid = await post('/pay/orderquery', { out_trade_no: 'ORDER' })
  t.match(unpaid, { result_code: 'SUCCESS', trade_state: 'NOTPAY', trade_state_desc: '订单未支付' })
  t.notOk('attach' in unpaid)
  await emulator.pay('ORDER')
  t.match(await post('/pay/orderquery', { out_trade_no: 'ORDER' }), { trade_state: 'SUCCESS', attach: 'a' })
  await post('/secapi/pay/refund', { out_trade_no: 'ORDER', out_refund_no: 'R1', total_fee: '100', refund_fee: '40' })
  t.match(await post('/pay/orderquery', { out_trade_no: 'ORDER' }), { trade_state: 'REFUND', trade_state_desc: '订单发生过退款，退款详情请查询退款单' })
  await place('CLOSED')
  await post('/pay/closeorder', { out_trade_no: 'CLOSED' })
  const closed = await post('/pay/orderquery', { out_trade_no: 'CLOSED' })
  t.match(closed, { trade_state: 'CLOSED', trade_state_desc: '订单已关闭', attach: '' })
  t.notOk('total_fee' in closed)
  t.match(await post('/pay/orderquery', { out_trade_no: 'NONE' }), { result_code: 'FAIL', err_code: 'ORDERNOTEXIST', err_code_des: 'order not exist' })
})

t.test(`refund and refundquery: ${MATRIX}`, async t => {
  const { emulator, send, post, place } = await v2Stage(t)
  const refund = (number: string, refundNumber = `R${number}`) => post('/secapi/pay/refund', { out_trade_no: number, out_refund_no: refundNumber, total_fee: '100', refund_fee: '40' })
  await place('UNPAID')
  for (const number of ['UNPAID', 'NONE']) t.match(await refund(number), { result_code: 'FAIL', err_code: 'ORDERNOTEXIST', err_code_des: '订单不存在' }, number)
  await post('/pay/closeorder', { out_trade_no: 'UNPAID' })
  t.match(await refund('UNPAID'), { result_code: 'FAIL', err_code: 'ERROR', err_code_des: '订单已关闭' })
  await place('PAID')
  await emulator.pay('PAID')
  t.match(await post('/pay/refundquery', { out_trade_no: 'PAID' }), { result_code: 'FAIL', err_code: 'REFUNDNOTEXIST', err_code_des: 'not exist' })
  const { nonce_str: _one, sign: _two, ...first } = await refund('PAID')
  t.match(first, { result_code: 'SUCCESS', refund_channel: '' })
  const { nonce_str: _three, sign: _four, ...again } = await refund('PAID')
  t.same(again, first, 'the same numbers again: identical')
  const names = [...(await send('/pay/refundquery', { out_trade_no: 'PAID' })).matchAll(/<(\w+)>/g)].map(([, name]) => name).slice(1)
  t.same(names, [...names].sort(), 'in alphabetical order')
  t.ok(names.includes('refund_recv_accout_0'))
})

t.test(`bills without parameters, and their columns: ${MATRIX}; the columns of 2021`, async t => {
  const { emulator, send, post, place } = await v2Stage(t, { now: () => Date.parse('2026-11-25T12:00:00+08:00') })
  t.same(await post('/pay/downloadbill', {}), { return_code: 'FAIL', return_msg: 'missing parameter', error_code: '20001' })
  t.match(await post('/pay/downloadfundflow', {}, 'HMAC-SHA256'), { return_code: 'FAIL', return_msg: 'Param Error' })
  await place('PAID')
  await emulator.pay('PAID')
  emulator.advance(2 * 86_400_000)
  t.equal((await send('/pay/downloadbill', { bill_date: '20261125', bill_type: 'ALL' })).replace(/^\ufeff/, '').split('\r\n')[0], '交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注')
  t.equal((await send('/pay/downloadfundflow', { bill_date: '20261125', account_type: 'Basic' }, 'HMAC-SHA256')).replace(/^\ufeff/, '').split('\r\n')[0], '记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),资金变更提交申请人,备注,业务凭证号')
})

t.test(`micropay and reverse: ${MATRIX}`, async t => {
  const { emulator, post } = await v2Stage(t, { timeScale: 1 })
  const pay = (number: string, code: string) => post('/pay/micropay', { body: 'x', out_trade_no: number, total_fee: '100', spbill_create_ip: '127.0.0.1', auth_code: code })
  t.match(await pay('M1', '991234567890123456'), { err_code: 'AUTH_CODE_INVALID', err_code_des: '请扫描微信支付授权码(以10/11/12/13/14/15为前缀的18位数字)' })
  t.match(await pay('M1', await emulator.authCode('expired')), { err_code: 'AUTH_CODE_INVALID', err_code_des: '101 付款码已过期，请退出重试' })
  const code = await emulator.authCode('asks')
  t.match(await pay('M2', code), { err_code: 'USERPAYING', err_code_des: '需要用户输入支付密码' })
  t.match(await post('/secapi/pay/reverse', { out_trade_no: 'M2' }), { result_code: 'FAIL', err_code: 'USERPAYING', err_code_des: '正在支付中不能发起撤销' })
  emulator.advance(60_000)
  t.match(await post('/secapi/pay/reverse', { out_trade_no: 'M2' }), { result_code: 'SUCCESS', recall: 'N' })
  t.match(await pay('M2', code), { result_code: 'FAIL', err_code_des: '订单已撤销，请重新下单支付' })
  const other = await emulator.authCode('asks')
  await pay('M3', other)
  await emulator.cancel('M3')
  t.match(await pay('M3', other), { err_code: 'TRADE_ERROR', err_code_des: '用户没有输入支付密码' })
})

t.test('profit sharing in v2: an extra row for the merchant, and 1970 while pending', async t => {
  const { emulator, post, place } = await v2Stage(t, { timeScale: 1 })
  await place('SHARED', { profit_sharing: 'Y' })
  const { transaction_id: id } = await emulator.pay('SHARED')
  const receiver = { type: 'PERSONAL_OPENID', account: OPENID, amount: 10, description: 'd' }
  await post('/pay/profitsharingaddreceiver', { receiver: JSON.stringify({ ...receiver, relation_type: 'STAFF' }) }, 'HMAC-SHA256')
  const share = { transaction_id: id, out_order_no: 'S1', receivers: JSON.stringify([receiver]) }
  const made = await post('/secapi/pay/profitsharing', share, 'HMAC-SHA256')
  t.equal((await post('/secapi/pay/profitsharing', share, 'HMAC-SHA256')).order_id, made.order_id)
  for (const [change, code] of [[{ out_order_no: '' }, 'PARAM_ERROR'], [{ receivers: '[{}]' }, 'PARAM_ERROR'], [{ receivers: 'x' }, 'PARAM_ERROR'], [{ receivers: JSON.stringify([{ ...receiver, amount: 9 }]) }, 'INVALID_REQUEST'], [{ transaction_id: 'none', out_order_no: 'S2' }, 'ORDER_NOT_EXIST']] as const) t.match(await post('/secapi/pay/profitsharing', { ...share, ...change }, 'HMAC-SHA256'), { err_code: code })
  t.match(await post('/secapi/pay/profitsharingreturn', { order_id: made.order_id!, out_return_no: 'B0', return_account: '1', return_amount: '11' }, 'HMAC-SHA256'), { err_code: 'NOTENOUGH' })
  const { receivers, order_id: orderId } = await post('/pay/profitsharingquery', { transaction_id: id, out_order_no: 'S1' }, 'HMAC-SHA256')
  t.equal(orderId, made.order_id)
  t.match(JSON.parse(receivers!), [{ account: OPENID, result: 'PENDING', finish_time: '19700101080000' }, { type: 'MERCHANT_ID', account: emulator.account.mchId, amount: 90 }])
  t.match(await post('/secapi/pay/profitsharingreturn', { out_order_no: 'S1', out_return_no: 'B1', return_account_type: 'MERCHANT_ID', return_account: '1900000109', return_amount: '4', description: 'd' }, 'HMAC-SHA256'), { result: 'SUCCESS', order_id: orderId! })
  t.match(await post('/pay/profitsharingreturnquery', { out_order_no: 'S1', out_return_no: 'B1' }, 'HMAC-SHA256'), { return_amount: '4', return_account: '1900000109', description: 'd' })
})

t.test('bank cards: fields encrypted with the key of risk/getpublickey; fees and states as WeChat\'s page has them', async t => {
  const { post } = await v2Stage(t)
  const { createPublicKey, publicEncrypt, constants } = await import('node:crypto')
  const agent = async (path: string, fields: Record<string, string>) => await post(path, { appid: '', ...fields })
  const { pub_key: key } = await agent('/risk/getpublickey', {})
  t.match(key, /^-----BEGIN RSA PUBLIC KEY-----/, 'PKCS#1')
  const sealed = (text: string) => publicEncrypt({ key: createPublicKey(key!), padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' }, Buffer.from(text)).toString('base64')
  const transfer = { partner_trade_no: 'BANK1', enc_bank_no: sealed('6222020000000000000'), enc_true_name: sealed('李雷'), bank_code: '1002', amount: '200000', desc: 'd' }
  t.match(await agent('/mmpaysptrans/pay_bank', { ...transfer, enc_bank_no: 'plain' }), { err_code: 'PARAM_ERROR' })
  const made = await agent('/mmpaysptrans/pay_bank', transfer)
  t.match(made, { result_code: 'SUCCESS', cmms_amt: '200', amount: '200000' })
  t.equal((await agent('/mmpaysptrans/pay_bank', transfer)).payment_no, made.payment_no)
  t.match(await agent('/mmpaysptrans/query_bank', { partner_trade_no: 'BANK1' }), { status: 'SUCCESS', payment_no: made.payment_no! })
  t.match(await agent('/mmpaysptrans/pay_bank', { ...transfer, amount: '3' }), { err_code: 'ORDERPAID' })
  for (const [change, code] of [[{ desc: '', bank_code: '' }, 'PARAM_ERROR'], [{ amount: '0' }, 'PARAM_ERROR'], [{ partner_trade_no: 'BANK2', amount: '99999999' }, 'NOTENOUGH']] as const) t.match(await agent('/mmpaysptrans/pay_bank', { ...transfer, ...change }), { err_code: code })
  t.match(await agent('/mmpaysptrans/query_bank', { partner_trade_no: 'none' }), { err_code: 'ORDERNOTEXIST' })
  t.match(await agent('/mmpaysptrans/query_bank', {}), { err_code: 'ORDERNOTEXIST' })
})

// ---- v3.

async function v3Stage (t: Test, options: Parameters<typeof v3Caller>[1] = {}) {
  const caller = await v3Caller(t, { refundDelay: 3600, ...options })
  const { call, appId, mchId } = caller
  const place = (number: string, change: object = {}) => call('POST', '/v3/pay/transactions/jsapi', { appid: appId, mchid: mchId, description: 'x', out_trade_no: number, notify_url: 'http://127.0.0.1:1/n', amount: { total: 100 }, payer: { openid: OPENID }, ...change })
  const look = async (number: string) => (await call('GET', `/v3/pay/transactions/out-trade-no/${number}?mchid=${mchId}`)).json
  return { ...caller, place, look }
}

t.test('order query: alphabetical, complete when paid, few members before (three recordings of each)', async t => {
  const { emulator, place, look, appId, mchId, call } = await v3Stage(t)
  await place('WITNESS01')
  t.equal(JSON.stringify(await look('WITNESS01')), JSON.stringify({ amount: { payer_currency: 'CNY', total: 100 }, appid: appId, mchid: mchId, out_trade_no: 'WITNESS01', promotion_detail: [], scene_info: { device_id: '' }, trade_state: 'NOTPAY', trade_state_desc: '订单未支付' }))
  const { transaction_id: id } = await emulator.pay('WITNESS01')
  const paid = await look('WITNESS01')
  t.match(paid.success_time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+08:00$/)
  t.equal(JSON.stringify(paid), JSON.stringify({ amount: { currency: 'CNY', payer_currency: 'CNY', payer_total: 100, total: 100 }, appid: appId, attach: '', bank_type: 'OTHERS', mchid: mchId, out_trade_no: 'WITNESS01', payer: { openid: OPENID }, promotion_detail: [], success_time: paid.success_time, trade_state: 'SUCCESS', trade_state_desc: '支付成功', trade_type: 'JSAPI', transaction_id: id }))
  await call('POST', '/v3/refund/domestic/refunds', { out_trade_no: 'WITNESS01', out_refund_no: 'R1', amount: { refund: 40, total: 100, currency: 'CNY' } })
  t.match(await look('WITNESS01'), { trade_state: 'REFUND', trade_state_desc: '订单发生过退款，退款详情请查询退款单' }, 'WeChat\'s message')
})

t.test('notification contents, in their own order (six recordings of a payment, three of a refund)', async t => {
  const { emulator, place, call } = await v3Stage(t, { refundDelay: 0 })
  const contents = async (about: string): Promise<Json> => JSON.parse(openResource((await emulator.waitForNotification(delivery => delivery.about === about)).request.body, emulator.account.apiV3Key)) as Json
  await place('WITNESS01', { attach: 'a' })
  await emulator.pay('WITNESS01')
  const payment = await contents('payment')
  t.same(Object.keys(payment), ['mchid', 'appid', 'out_trade_no', 'transaction_id', 'trade_type', 'trade_state', 'trade_state_desc', 'bank_type', 'attach', 'success_time', 'payer', 'amount'])
  t.same(Object.keys(payment.amount), ['total', 'payer_total', 'currency', 'payer_currency'])
  await call('POST', '/v3/refund/domestic/refunds', { out_trade_no: 'WITNESS01', out_refund_no: 'R1', notify_url: 'http://127.0.0.1:1/r', amount: { refund: 40, total: 100, currency: 'CNY' } })
  // 2021-01-27, 2021-02-01, 2025-09-25: the summary that goes with REFUND.SUCCESS.
  t.match(JSON.parse((await emulator.waitForNotification(({ about }) => about === 'refund')).request.body), { event_type: 'REFUND.SUCCESS', summary: '退款成功', resource: { original_type: 'refund' } })
  const refund = await contents('refund')
  t.same(Object.keys(refund), ['mchid', 'out_trade_no', 'transaction_id', 'out_refund_no', 'refund_id', 'refund_status', 'success_time', 'amount', 'user_received_account'])
  t.same(Object.keys(refund.amount), ['total', 'refund', 'payer_total', 'payer_refund'])
})

t.test('a new refund (six recordings), and one that exceeds the balance', async t => {
  const { emulator, place, call } = await v3Stage(t)
  await place('WITNESS01')
  const { transaction_id: id } = await emulator.pay('WITNESS01')
  const { json } = await call('POST', '/v3/refund/domestic/refunds', { out_trade_no: 'WITNESS01', out_refund_no: 'R1', amount: { refund: 40, total: 100, currency: 'CNY' } })
  t.equal(JSON.stringify(json), JSON.stringify({ amount: { currency: 'CNY', discount_refund: 0, from: [], payer_refund: 40, payer_total: 100, refund: 40, refund_fee: 0, settlement_refund: 40, settlement_total: 100, total: 100 }, channel: 'ORIGINAL', create_time: json.create_time, funds_account: 'AVAILABLE', out_refund_no: 'R1', out_trade_no: 'WITNESS01', promotion_detail: [], refund_id: json.refund_id, status: 'PROCESSING', transaction_id: id, user_received_account: '支付用户零钱' }))
  const lowBalance = await v3Stage(t, { balance: -100 })
  await lowBalance.place('WITNESS01')
  await lowBalance.emulator.pay('WITNESS01')
  t.match(await lowBalance.call('POST', '/v3/refund/domestic/refunds', { out_trade_no: 'WITNESS01', out_refund_no: 'R1', amount: { refund: 40, total: 100, currency: 'CNY' } }), { status: 403, json: { code: 'NOT_ENOUGH', message: '基本账户余额不足，请充值后重新发起' } })
})

t.test('close: 204 for a closed and for an unknown order (community/pay/doc/00048a1efdc23011142d839d351800); mch_id for mchid', async t => {
  const { place, call, mchId } = await v3Stage(t)
  await place('WITNESS01')
  const close = (number: string, body: object) => call('POST', `/v3/pay/transactions/out-trade-no/${number}/close`, body)
  for (const number of ['WITNESS01', 'WITNESS01', 'NONE12345']) t.match(await close(number, { mchid: mchId }), { status: 204, body: '' })
  t.match((await close('WITNESS01', { mch_id: mchId })), { status: 400, json: { code: 'PARAM_ERROR', detail: { location: 'uri_template', value: '' } } })
})

t.test('an invalid body: wechatpay-axios-plugin 38, wechatpay-php 43; a payer without openid', async t => {
  const { place } = await v3Stage(t)
  t.match(await place('WITNESS01', { amount: { total: 0.01, currency: 'CNY' } }), { status: 400, json: { code: 'PARAM_ERROR', detail: { location: 'body', value: 0.01 }, message: '无法将 JSON 输入源“/body/amount/total”映射到目标字段“总金额”中，此字段需要一个合法的 64 位有符号整数' } })
  t.match(await place('WITNESS01', { amount: { total: 110.00000000000001 } }), { json: { detail: { location: 'body', value: 110.00000000000001 } } })
  t.match(await place('WITNESS01', { limit_pay: ['no_credit'] }), { status: 200 }, 'limit_pay is described')
})

t.test('/v3/certificates for a merchant with only the public key (WxJava 3412, wechatpay-java 306, 400)', async t => {
  const { call } = await v3Stage(t)
  t.match(await call('GET', '/v3/certificates'), { status: 404, json: { code: 'RESOURCE_NOT_EXISTS', message: /^无可用的平台证书，请在商户平台-API安全申请使用微信支付公钥。/ } })
})

t.test('an H5 URL leads to the emulator, even if the call used WeChat\'s host name', async t => {
  const { emulator, call, appId, mchId } = await v3Stage(t)
  const order = { appid: appId, mchid: mchId, description: 'x', out_trade_no: 'WITNESSH5', notify_url: 'http://127.0.0.1:1/n', amount: { total: 100 }, scene_info: { payer_client_ip: '127.0.0.1', h5_info: { type: 'Wap' } } }
  const { json } = await call('POST', '/v3/pay/transactions/h5', order, { host: 'api.mch.weixin.qq.com' })
  t.ok((json.h5_url as string).startsWith(emulator.origin), json.h5_url)
})

// ---- Official Account.

t.test('api.weixin.qq.com: `, rid:` for /sns/, ` rid:` for /cgi-bin/ (six recordings)', async t => {
  const emulator = await testEmulator(t)
  const { appId, appSecret } = emulator.account
  const rid = '[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}'
  const get = async (url: string): Promise<Json> => (await emulator.app.inject(url)).json()
  t.match(await get(`/sns/oauth2/access_token?appid=${appId}&secret=${appSecret}&code=x&grant_type=authorization_code`), { errcode: 40029, errmsg: new RegExp(`^invalid code, rid: ${rid}$`) })
  t.match(await get('/cgi-bin/ticket/getticket?access_token=x'), { errcode: 40001, errmsg: new RegExp(`[^,] rid: ${rid}$`) })
  t.match(await get('/cgi-bin/none'), { errcode: 40066, errmsg: new RegExp(`^invalid url rid: ${rid}$`) })
})

t.test('WeChat\'s codes as faults, also for Official Account calls', async t => {
  const emulator = await testEmulator(t)
  const { appId, appSecret } = emulator.account
  const url = `/cgi-bin/token?grant_type=client_credential&appid=${appId}&secret=${appSecret}`
  for (const [kind, errcode, errmsg] of [['45009', 45009, /^reach max api daily quota limit rid: /], ['-1', -1, /^system error/], ['SYSTEMERROR', -1, /./], ['40164', 40164, /^invalid ip .*not in whitelist/]] as const) {
    await emulator.fault({ kind, path: '/cgi-bin/token' })
    t.match((await emulator.app.inject(url)).json(), { errcode, errmsg })
  }
  t.match((await emulator.app.inject(url)).json(), { access_token: /./ })
  await emulator.fault({ kind: '40029', path: '/sns' })
  t.match((await emulator.app.inject('/sns/auth')).json(), { errcode: 40029, errmsg: /^invalid code, rid:/ })
})
