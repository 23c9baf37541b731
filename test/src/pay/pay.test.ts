import t from 'tap'
import { createPay } from '../../../src/pay/pay.ts'
import type { PayOptions } from '../../../src/pay/pay.ts'
import type { JsapiOrder } from '../../../src/pay/order.ts'
import { signV2, verifyV2 } from '../../../src/pay/v2/sign.ts'
import type { SignType } from '../../../src/pay/v2/sign.ts'
import { readXml } from '../../../src/pay/v2/xml.ts'
import { ACCOUNT, OPENID, testEmulator } from '../../helpers/account.ts'
import { FAULTS, fakeServer } from '../../helpers/fake-server.ts'
import type { Answer } from '../../helpers/fake-server.ts'
import { xml } from '../../helpers/notification.ts'
import { patience } from '../../helpers/patience.ts'

const { appId, merchant } = ACCOUNT
const { apiKey } = merchant.v2
const order: JsapiOrder = { outTradeNo: 'S1234567890', description: '咖啡 ]]></body><total_fee>1', amount: 100, openid: OPENID, attach: 'a=1&b=<2>' }

for (const signType of ['MD5', 'HMAC-SHA256'] as SignType[]) {
  t.test(`an order's lifecycle, signed with ${signType}`, async t => {
    const emulator = await testEmulator(t)
    const pay = createPay({ ...emulator.config, merchant: { ...emulator.config.merchant, notifyUrl: 'http://127.0.0.1:1/notify', v2: { ...emulator.config.merchant.v2, signType } } })
    const params = await pay.jsapi(order)
    t.equal(params.timeStamp, params.timestamp)
    const { paySign, timestamp, ...signedFields } = params
    t.equal(paySign, signV2(signedFields, emulator.account.apiKey, signType))
    t.match(params, { appId: emulator.account.appId, package: /^prepay_id=wx/, signType })
    t.match(emulator.order('S1234567890'), { body: order.description, attach: order.attach, total_fee: 100, openid: OPENID, sign_type: signType }, 'P3 arrived unchanged')

    const mini = await pay.miniProgram(order)
    t.same(Object.keys(mini).sort(), ['nonceStr', 'package', 'paySign', 'signType', 'timeStamp'])
    t.equal(mini.package, params.package, 'the same order, the same prepay_id')

    t.match(await pay.query({ outTradeNo: order.outTradeNo }), { state: 'NOTPAY', outTradeNo: order.outTradeNo })
    await t.rejects(pay.jsapi({ ...order, amount: 200 }), { code: 'WECHAT_API', wechatCode: 'INVALID_REQUEST', statusCode: 409, message: /201 商户订单号重复/ })
    const { transaction_id: transactionId } = await emulator.pay(order.outTradeNo)
    const paid = { state: 'SUCCESS', transactionId, amount: 100, payerAmount: 100, openid: OPENID, attach: order.attach }
    t.match(await pay.query({ outTradeNo: order.outTradeNo }), paid)
    t.match(await pay.query({ transactionId }), paid)
    await t.rejects(pay.jsapi(order), { code: 'WECHAT_API', wechatCode: 'ORDERPAID', statusCode: 409 })
    await t.rejects(pay.close(order.outTradeNo), { code: 'WECHAT_API', wechatCode: 'ORDERPAID' })
    await t.rejects(pay.query({ outTradeNo: 'unknown' }), { code: 'WECHAT_API', wechatCode: 'ORDERNOTEXIST', statusCode: 404 })

    await pay.jsapi({ ...order, outTradeNo: 'S222222', expiresAt: new Date(Date.now() + 60_000) })
    await pay.close('S222222')
    await pay.close('S222222')
    t.match(await pay.query({ outTradeNo: 'S222222' }), { state: 'CLOSED' })
    await t.rejects(pay.jsapi({ ...order, outTradeNo: 'S222222' }), { code: 'WECHAT_API', wechatCode: 'ORDERCLOSED' })
  })
}

t.test('invalid input is refused before any call', async t => {
  const server = await fakeServer(() => t.fail('a call went out'))
  t.teardown(server.close)
  const pay = createPay({ ...ACCOUNT, endpoints: server.endpoints })
  await t.rejects(pay.jsapi({ ...order, amount: 19.9 * 100 }), { code: 'WECHAT_INPUT', field: 'amount' })
  await t.rejects(pay.jsapi({ ...order, openid: '' }), { code: 'WECHAT_INPUT', field: 'openid' })
  await t.rejects(pay.query({ outTradeNo: '../../x' }), { code: 'WECHAT_INPUT', field: 'outTradeNo' })
  await t.rejects(pay.query({ transactionId: 42 as unknown as string }), { code: 'WECHAT_INPUT', field: 'transactionId' })
  await t.rejects(pay.close('a b c d'), { code: 'WECHAT_INPUT', field: 'outTradeNo' })
  await t.rejects(pay.v2.post('/secapi/pay/refund', {}, { cert: true }), { code: 'WECHAT_CONFIG' })
  t.throws(() => createPay({ ...ACCOUNT, merchant: { mchId: merchant.mchId, v2: merchant.v2 } }), { code: 'WECHAT_CONFIG', option: 'merchant.notifyUrl' })
  t.throws(() => createPay({ ...ACCOUNT, merchant: undefined } as unknown as PayOptions), { code: 'WECHAT_CONFIG', option: 'merchant' })
})

/** A WeChat that answers with these fields, signed by default. */
const answering = (fields: Record<string, string>, key = apiKey): Answer => (_seen, reply) => {
  const all = { return_code: 'SUCCESS', return_msg: 'OK', result_code: 'SUCCESS', appid: appId, mch_id: merchant.mchId, nonce_str: 'n', ...fields }
  reply.setHeader('content-type', 'text/plain').end(xml(key ? { ...all, sign: signV2(all, key, 'MD5') } : all))
}
const PREPAY = { prepay_id: 'wx201410272009395522657a690389285100', trade_type: 'JSAPI' }

t.test('P10 requests are signed, and answers must be verified', async t => {
  const server = await fakeServer(answering(PREPAY))
  t.teardown(server.close)
  const pay = createPay({ ...ACCOUNT, endpoints: server.endpoints, http: { retries: 0 } })
  t.equal((await pay.jsapi(order)).package, `prepay_id=${PREPAY.prepay_id}`)
  const sent = readXml(Buffer.from(server.seen[0]?.body ?? ''))
  t.ok(verifyV2(sent, apiKey, 'MD5'))
  t.match({ ...sent }, { trade_type: 'JSAPI', total_fee: '100', body: order.description, attach: order.attach, spbill_create_ip: '127.0.0.1', notify_url: merchant.notifyUrl, sign_type: 'MD5' })
  t.notOk('time_start' in sent, 'a repeat must have the same parameters')

  const untrusted: Array<[string, Answer]> = [
    ['unsigned', answering(PREPAY, '')],
    ['signed with another key', answering(PREPAY, 'z'.repeat(31) + 'y')],
    ['of another merchant', answering({ ...PREPAY, mch_id: '1900000110' })],
    ['of another account', answering({ ...PREPAY, appid: 'wx9' })],
    ['without prepay_id', answering({ trade_type: 'JSAPI' })],
    ['with a malformed prepay_id', answering({ ...PREPAY, prepay_id: 'a&b' })],
    ['of another trade type', answering({ ...PREPAY, trade_type: 'NATIVE' })],
    ['without result_code', answering({ ...PREPAY, result_code: '' })],
    ['without return_code', answering({ ...PREPAY, return_code: '' })]
  ]
  for (const [name, answer] of untrusted) {
    server.become(answer)
    await t.rejects(pay.jsapi(order), { code: 'WECHAT_REPLY', message: /unknown outcome/ }, name)
  }
  server.become((_seen, reply) => { reply.end(xml({ return_code: 'FAIL', return_msg: `签名错误 ${apiKey}`, ...PREPAY })) })
  await t.rejects(pay.jsapi(order), { code: 'WECHAT_API', message: '/pay/unifiedorder was refused by WeChat Pay: 签名错误 ***', advice: /apiKey/ }, 'FAIL with a prepay_id')
  server.become((_seen, reply) => { reply.end('<xml><return_code>FAIL</return_code><retmsg>xml格式错误</retmsg><retcode>1</retcode></xml>') })
  await t.rejects(pay.jsapi(order), { code: 'WECHAT_API', message: /xml格式错误/ })
  server.become((_seen, reply) => { reply.end('<xml><return_code>FAIL</return_code></xml>') })
  await t.rejects(pay.jsapi(order), { code: 'WECHAT_API' })
  server.become(answering({ result_code: 'FAIL', err_code: 'NOTENOUGH' }))
  await t.rejects(pay.jsapi(order), { code: 'WECHAT_API', wechatCode: 'NOTENOUGH', fault: 'caller' })
  server.become(answering({ trade_state: 'SUCCESS', out_trade_no: 'OTHER12345' }))
  await t.rejects(pay.query({ outTradeNo: 'S1234567890' }), { code: 'WECHAT_REPLY' }, 'another order')
  server.become(answering({ trade_state: 'SUCCESS', out_trade_no: 'S1234567890' }))
  await t.rejects(pay.query({ outTradeNo: 'S1234567890' }), { code: 'WECHAT_REPLY' }, 'paid, but nothing else')
  server.become(answering({ trade_state: 'WHATEVER', out_trade_no: 'S1234567890' }))
  await t.rejects(pay.query({ outTradeNo: 'S1234567890' }), { code: 'WECHAT_REPLY' })
})

t.test('P9 P11 WeChat slow, down, or answering HTML and garbage: unknown outcome, retryable with the same number', async t => {
  const server = await fakeServer(answering(PREPAY))
  t.teardown(server.close)
  const pay = createPay({ ...ACCOUNT, endpoints: server.endpoints, http: { retries: 0, timeout: patience(200) } })
  const faults: Record<string, Answer> = { ...FAULTS, slow: () => {} }
  for (const [name, fault] of Object.entries(faults)) {
    server.become(fault)
    const error = await pay.jsapi(order).catch((error: unknown) => error) as Error
    t.match(error, { code: /^WECHAT_(REPLY|NETWORK)$/, outcome: 'unknown', message: /unknown outcome/ }, name)
    t.notMatch(JSON.stringify(error) + error.stack, new RegExp(apiKey))
  }
  server.become(answering(PREPAY))
  await pay.jsapi(order)
  t.same(new Set(server.seen.map(({ body }) => readXml(Buffer.from(body)).out_trade_no)), new Set([order.outTradeNo]))
})

t.test('a SYSTEMERROR is retried once with the same call', async t => {
  let calls = 0
  const server = await fakeServer((seen, reply, request) => (++calls === 1 ? answering({ result_code: 'FAIL', err_code: 'SYSTEMERROR', err_code_des: 'system error' }) : answering(PREPAY))(seen, reply, request))
  t.teardown(server.close)
  const pay = createPay({ ...ACCOUNT, endpoints: server.endpoints })
  await pay.jsapi(order)
  t.equal(calls, 2)
  calls = 0
  await t.rejects(pay.v2.post('/pay/micropay', {}), { code: 'WECHAT_API', wechatCode: 'SYSTEMERROR', retryable: true }, 'but not a call that may act twice')
  t.equal(calls, 1)
})

t.test('P8 ten concurrent calls for one order give one order and one prepay_id', async t => {
  const emulator = await testEmulator(t)
  const pay = createPay({ ...emulator.config, merchant: { ...emulator.config.merchant, notifyUrl: 'http://127.0.0.1:1/notify' } })
  const all = await Promise.all(Array.from({ length: 10 }, () => pay.jsapi(order)))
  t.equal(new Set(all.map(params => params.package)).size, 1)
  t.equal(new Set(all.map(params => params.nonceStr)).size, 10)
  t.equal(emulator.order(order.outTradeNo)?.history.length, 1)
})
