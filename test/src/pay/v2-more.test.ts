/** v2's other calls against the emulator: id fields, signatures and answers of each. */
import t from 'tap'
import type { Test } from 'tap'
import { createPay } from '../../../src/pay/pay.ts'
import { ERR_CODES, meaningOf } from '../../../src/pay/v2/error-codes.ts'
import { ACCOUNT, OPENID, testEmulator } from '../../helpers/account.ts'
import { fakeServer } from '../../helpers/fake-server.ts'
import { signV2 } from '../../../src/pay/v2/sign.ts'
import { writeXml } from '../../../src/pay/v2/write-xml.ts'
import { readXml } from '../../../src/pay/v2/xml.ts'

async function stage (t: Test, options: object = {}) {
  const emulator = await testEmulator(t, options)
  const { merchant } = emulator.config
  return { emulator, pay: createPay({ ...emulator.config, merchant: { ...merchant, notifyUrl: 'http://127.0.0.1:1/n' } }) }
}

const PACK = { mchBillno: 'HB20261124001', openid: OPENID, amount: 100, sendName: '山里咖啡', wishing: '新年快乐', actName: '开业', remark: '谢谢' }

t.test('red packets', async t => {
  const { pay } = await stage(t, { balance: 500 })
  const { v2 } = pay
  const sent = await v2.sendRedPack(PACK)
  t.match(sent, { sendListId: /^10000\d+$/ })
  t.equal((await v2.sendRedPack(PACK)).sendListId, sent.sendListId, 'the same number is the same packet')
  await t.rejects(v2.sendRedPack({ ...PACK, amount: 101 }), { code: 'WECHAT_API', wechatCode: 'PARAM_ERROR' })
  t.match(await v2.queryRedPack(PACK.mchBillno), { status: 'RECEIVED', amount: 100, received: [{ openid: OPENID, amount: 100 }] })
  await t.rejects(v2.queryRedPack('none'), { code: 'WECHAT_API', wechatCode: 'NOT_FOUND' })
  await v2.sendRedPack({ ...PACK, mchBillno: 'HB2', count: 3, sceneId: 'PRODUCT_1' })
  t.match((await v2.queryRedPack('HB2')).raw, { hb_type: 'GROUP', total_num: '3' })
  await t.rejects(v2.sendRedPack({ ...PACK, mchBillno: 'HB3', amount: 5000 }), { code: 'WECHAT_API', wechatCode: 'NOTENOUGH' })
  await t.rejects(v2.sendRedPack({ ...PACK, mchBillno: 'HB4', openid: 'oForeignAppVisitor0000000000' }), { code: 'WECHAT_API', wechatCode: 'OPENID_ERROR' })
  for (const [change, field] of [[{ mchBillno: 'a-b' }, 'mchBillno'], [{ amount: 0.1 }, 'amount'], [{ count: 0 }, 'count'], [{ clientIp: 'x' }, 'clientIp'], [{ wishing: '' }, 'wishing'], [{ openid: '' }, 'openid']] as const) {
    await t.rejects(v2.sendRedPack({ ...PACK, ...change }), { code: 'WECHAT_INPUT', field })
  }
})

t.test('transfers to balance', async t => {
  const { pay } = await stage(t)
  const transfer = { partnerTradeNo: 'TR1', openid: OPENID, amount: 300, description: '奖金' }
  const sent = await pay.v2.transfer(transfer)
  t.match(sent, { paymentNo: /^10000\d+$/, paidAt: Date })
  t.equal((await pay.v2.transfer({ ...transfer, realName: '李雷' })).paymentNo, sent.paymentNo)
  t.match(await pay.v2.queryTransfer('TR1'), { status: 'SUCCESS', amount: 300, reason: '' })
  await t.rejects(pay.v2.queryTransfer('TR2'), { code: 'WECHAT_API', wechatCode: 'NOT_FOUND' })
  await t.rejects(pay.v2.transfer({ ...transfer, amount: 301 }), { code: 'WECHAT_API', wechatCode: 'PARAM_ERROR' })
})

t.test('profit sharing', async t => {
  const { emulator, pay } = await stage(t)
  const { profitSharing } = pay.v2
  const receiver = { type: 'PERSONAL_OPENID', account: OPENID } as const
  await pay.jsapi({ outTradeNo: 'PS1', description: '咖啡', amount: 1000, openid: OPENID, profitSharing: true })
  const { transaction_id: transactionId } = await emulator.pay('PS1')
  const share = { transactionId, outOrderNo: 'SH1', receivers: [{ ...receiver, amount: 100, description: '分给李雷' }] }
  await t.rejects(profitSharing.share(share), { code: 'WECHAT_API', wechatCode: 'RECEIVER_INVALID', advice: /add it first/ })
  await profitSharing.addReceiver({ ...receiver, relation: 'PARTNER', name: '李雷' })
  t.match(await profitSharing.share(share, { more: true }), { out_order_no: 'SH1', order_id: /^3008/ })
  t.match(await profitSharing.query({ transactionId, outOrderNo: 'SH1' }), { status: 'PROCESSING' })
  t.match(await profitSharing.takeBack({ outOrderNo: 'SH1', outReturnNo: 'BK1', account: '1900000109', amount: 100, description: '退回' }), { result: 'SUCCESS', return_amount: '100' })
  await profitSharing.finish({ transactionId, outOrderNo: 'SH1F', description: '完结' })
  t.match(await profitSharing.query({ transactionId, outOrderNo: 'SH1' }), { status: 'FINISHED' })
  await t.rejects(profitSharing.share({ ...share, outOrderNo: 'SH2', receivers: [{ ...receiver, amount: 301, description: 'x' }] }), { code: 'WECHAT_API', wechatCode: 'AMOUNT_OVERDUE' })
  await profitSharing.removeReceiver(receiver)
  await t.rejects(profitSharing.share(share), { code: 'WECHAT_API', wechatCode: 'RECEIVER_INVALID' })
  await t.rejects(profitSharing.share({ ...share, receivers: [] }), { code: 'WECHAT_INPUT', field: 'receivers' })
  await t.rejects(profitSharing.query({ transactionId, outOrderNo: 'none' }), { code: 'WECHAT_API', wechatCode: 'ORDER_NOT_EXIST' })
  await t.rejects(profitSharing.takeBack({ outOrderNo: 'none', outReturnNo: 'BK1', account: '1', amount: 1, description: 'x' }), { code: 'WECHAT_API', wechatCode: 'ORDER_NOT_EXIST' })
  await pay.jsapi({ outTradeNo: 'PS2', description: '咖啡', amount: 1000, openid: OPENID })
  await t.rejects(profitSharing.share({ ...share, transactionId: (await emulator.pay('PS2')).transaction_id }), { code: 'WECHAT_API', wechatCode: 'NOT_SHARE_ORDER' })
  await t.rejects(profitSharing.share({ ...share, transactionId: '42' }), { code: 'WECHAT_API', wechatCode: 'ORDER_NOT_EXIST' })
  await t.rejects(pay.v2.post('/pay/profitsharingaddreceiver', { receiver: 'x' }), { code: 'WECHAT_API', wechatCode: 'PARAM_ERROR' })
  await t.rejects(pay.v2.post('/secapi/pay/profitsharing', { transaction_id: transactionId, receivers: '{' }), { code: 'WECHAT_API', wechatCode: 'PARAM_ERROR' })
})

t.test('short URLs, reports, comments', async t => {
  const { emulator, pay } = await stage(t)
  t.match(await pay.v2.shortUrl('weixin://wxpay/bizpayurl?pr=abc'), /^weixin:\/\/wxpay\/s\//)
  await t.rejects(pay.v2.shortUrl('https://x'), { code: 'WECHAT_INPUT', field: 'longUrl' })
  await t.rejects(pay.v2.openidOf('x'), { code: 'WECHAT_INPUT', field: 'authCode' })
  t.equal(await pay.v2.openidOf('134567890123456789'), OPENID)
  await pay.v2.report({ interfaceUrl: 'https://api.mch.weixin.qq.com/pay/unifiedorder', executeTime: 30, returnCode: 'SUCCESS', resultCode: 'SUCCESS', userIp: '127.0.0.1' })
  await pay.jsapi({ outTradeNo: 'CM1', description: '咖啡', amount: 1000, openid: OPENID })
  const { transaction_id: id, time_end: at } = await emulator.pay('CM1')
  const day = { begin: `${at.slice(0, 8)}000000`, end: `${at.slice(0, 8)}235959` }
  t.match(await pay.v2.comments({ ...day, offset: 0, limit: 10 }), new RegExp(`^1\\n.*${id}`))
  await t.rejects(pay.v2.comments({ ...day, offset: 5 }), { code: 'WECHAT_API', message: /no data/ })
  await t.rejects(pay.v2.post('/tools/shorturl', { long_url: 'x' }), { code: 'WECHAT_API', wechatCode: 'PARAM_ERROR' })
  await t.rejects(pay.v2.post('/tools/authcodetoopenid', { auth_code: 'x' }), { code: 'WECHAT_API', wechatCode: 'AUTH_CODE_INVALID' })
  for (const path of ['/mmpaymkttransfers/sendredpack', '/mmpaymkttransfers/promotion/transfers']) await t.rejects(pay.v2.post(path, {}), { code: 'WECHAT_API', wechatCode: 'PARAM_ERROR' })
  await t.rejects(pay.v2.post('/mmpaymkttransfers/promotion/transfers', { partner_trade_no: '1', openid: OPENID, check_name: 'NO_CHECK', amount: 'x', desc: 'x' }), { code: 'WECHAT_API', wechatCode: 'PARAM_ERROR' })
  await t.rejects(pay.v2.nativePrepay({} as never), { code: 'WECHAT_INPUT' })
})

t.test('each call\'s id fields and signature type', async t => {
  const server = await fakeServer((_seen, reply) => { reply.end(writeXml({ return_code: 'SUCCESS', result_code: 'SUCCESS', send_listid: '1', payment_no: '1', status: 'x' })) })
  t.teardown(server.close)
  const emulator = await testEmulator(t)
  const { cert, key } = emulator.config.merchant.v2
  const pay = createPay({ ...ACCOUNT, endpoints: server.endpoints, merchant: { ...ACCOUNT.merchant, v2: { ...ACCOUNT.merchant.v2, signType: 'HMAC-SHA256', cert, key } } })
  const sent = async (call: Promise<unknown>) => {
    await call.catch(() => {})
    return { ...readXml(Buffer.from(server.seen.at(-1)!.body)) }
  }
  const pack = await sent(pay.v2.sendRedPack(PACK))
  t.match(pack, { wxappid: ACCOUNT.appId, mch_id: ACCOUNT.merchant.mchId, sign: /^[0-9A-F]{32}$/ })
  t.notOk('appid' in pack || 'sign_type' in pack)
  const transfer = await sent(pay.v2.transfer({ partnerTradeNo: 'TR1', openid: OPENID, amount: 300, description: '奖金' }))
  t.match(transfer, { mch_appid: ACCOUNT.appId, mchid: ACCOUNT.merchant.mchId })
  t.notOk('mch_id' in transfer)
  t.match(await sent(pay.v2.post('/pay/profitsharingquery', { transaction_id: '1' })), { sign_type: 'HMAC-SHA256', appid: undefined })
  t.match(await sent(pay.v2.post('/some/new/call', { a: 1, none: undefined })), { a: '1', appid: ACCOUNT.appId, sign: /^[0-9A-F]{64}$/ })
  await t.rejects(pay.v2.post('/some/new/call', {}), { code: 'WECHAT_REPLY', message: /signature/ }, 'answers must be signed unless known to be unsigned')
  server.become((_seen, reply) => { reply.end(writeXml({ return_code: 'SUCCESS', result_code: 'SUCCESS', mch_id: '1900000110', send_listid: '1' })) })
  await t.rejects(pay.v2.sendRedPack(PACK), { code: 'WECHAT_REPLY', message: /another account/ })
  server.become((_seen, reply) => { reply.end(writeXml({ return_code: 'SUCCESS', result_code: 'SUCCESS' })) })
  await t.rejects(pay.v2.sendRedPack(PACK), { code: 'WECHAT_REPLY', message: /no send_listid/ })
  t.match(await pay.v2.queryRedPack('HB1').catch((error: unknown) => error), { code: 'WECHAT_REPLY' }, 'without a list')
})

t.test('profit sharing: 64-character numbers, names, returns, and the remaining amount', async t => {
  const { apiKey } = ACCOUNT.merchant.v2
  const answer: Record<string, string> = { return_code: 'SUCCESS', mch_id: ACCOUNT.merchant.mchId, nonce_str: 'n', transaction_id: '42', unsplit_amount: '70' }
  const server = await fakeServer((_seen, reply) => { reply.end(writeXml({ ...answer, sign: signV2(answer, apiKey, 'HMAC-SHA256') })) })
  t.teardown(server.close)
  const emulator = await testEmulator(t)
  const { cert, key } = emulator.config.merchant.v2
  const { profitSharing } = createPay({ ...ACCOUNT, endpoints: server.endpoints, http: { retries: 0 }, merchant: { ...ACCOUNT.merchant, v2: { ...ACCOUNT.merchant.v2, cert, key } } }).v2
  const sent = () => ({ ...readXml(Buffer.from(server.seen.at(-1)!.body)) })
  t.equal(await profitSharing.remaining('42'), 70, 'an answer without result_code, as described')
  answer.unsplit_amount = '070'
  await t.rejects(profitSharing.remaining('42'), { code: 'WECHAT_REPLY' })
  await t.rejects(profitSharing.remaining('43'), { code: 'WECHAT_REPLY' })
  Object.assign(answer, { result_code: 'SUCCESS', appid: ACCOUNT.appId, result: 'PROCESSING' })
  const long = 'S'.repeat(64)
  t.match(await profitSharing.queryReturn({ outOrderNo: long, outReturnNo: 'R1' }), { result: 'PROCESSING' })
  t.match(sent(), { out_order_no: long, out_return_no: 'R1' })
  await profitSharing.share({ transactionId: '42', outOrderNo: long, receivers: [{ type: 'PERSONAL_SUB_OPENID', account: OPENID, name: '李雷', amount: 1, description: 'd' }] })
  t.same(JSON.parse(sent().receivers!), [{ type: 'PERSONAL_SUB_OPENID', account: OPENID, amount: 1, description: 'd', name: '李雷' }])
  const calls = server.seen.length
  for (const number of ['', 'x'.repeat(65), 'a/b']) {
    await t.rejects(profitSharing.query({ transactionId: '42', outOrderNo: number }), { code: 'WECHAT_INPUT', field: 'outOrderNo' })
    await t.rejects(profitSharing.queryReturn({ outOrderNo: 'a', outReturnNo: number }), { code: 'WECHAT_INPUT', field: 'outReturnNo' })
  }
  t.equal(server.seen.length, calls)
})

t.test('v2 order fields: goods, store, excluded payment methods, extra fields; an unknown state is named', async t => {
  const { apiKey } = ACCOUNT.merchant.v2
  const own = { return_code: 'SUCCESS', result_code: 'SUCCESS', appid: ACCOUNT.appId, mch_id: ACCOUNT.merchant.mchId, nonce_str: 'n' }
  let answer: Record<string, string> = { ...own, trade_type: 'JSAPI', prepay_id: 'wx1' }
  const server = await fakeServer((_seen, reply) => { reply.end(writeXml({ ...answer, sign: signV2(answer, apiKey, 'MD5') })) })
  t.teardown(server.close)
  const pay = createPay({ ...ACCOUNT, endpoints: server.endpoints, http: { retries: 0 } })
  const sent = () => ({ ...readXml(Buffer.from(server.seen.at(-1)!.body)) })
  const order = { outTradeNo: 'V2X1', description: '咖啡', amount: 100, openid: OPENID }
  const detail = { costPrice: 200, receiptId: 'R-1', goods: [{ id: 'G1', name: '咖啡', quantity: 1, price: 100 }] }
  await pay.jsapi({ ...order, detail, storeInfo: { id: 'S1', name: '一店', areaCode: '440305' }, limitPay: ['no_credit'], extra: { version: '1.0', deposit: 'N' } })
  t.match(sent(), { limit_pay: 'no_credit', version: '1.0', deposit: 'N', total_fee: '100' })
  t.same(JSON.parse(sent().detail!), { cost_price: 200, receipt_id: 'R-1', goods_detail: [{ goods_id: 'G1', goods_name: '咖啡', quantity: 1, price: 100 }] })
  t.same(JSON.parse(sent().scene_info!), { store_info: { id: 'S1', name: '一店', area_code: '440305' } })
  await pay.jsapi({ ...order, noCredit: true })
  t.match(sent(), { limit_pay: 'no_credit', scene_info: undefined, detail: undefined })
  answer = { ...own, trade_type: 'MWEB', mweb_url: 'https://wx.tenpay.com/x' }
  await pay.h5({ ...order, clientIp: '203.0.113.7', storeInfo: { id: 'S1' } })
  t.same(JSON.parse(sent().scene_info!), { h5_info: { type: 'Wap' }, store_info: { id: 'S1' } })
  const calls = server.seen.length
  for (const name of ['total_fee', 'fee_type', 'appid', 'mch_id', 'sub_mch_id', 'sign', 'sign_type', 'nonce_str', 'notify_url', 'out_trade_no', 'openid', 'trade_type', 'auth_code']) {
    await t.rejects(pay.jsapi({ ...order, extra: { [name]: '1' } }), { code: 'WECHAT_INPUT', field: `extra.${name}` })
  }
  await t.rejects(pay.jsapi({ ...order, extra: { a: { b: 1 } } }), { code: 'WECHAT_INPUT', field: 'extra.a' })
  await t.rejects(pay.jsapi({ ...order, limitPay: ['no_debit'] }), { code: 'WECHAT_INPUT', field: 'limitPay' })
  await t.rejects(pay.jsapi({ ...order, detail: { goods: Array.from({ length: 200 }, () => detail.goods[0]!) } }), { code: 'WECHAT_INPUT', field: 'detail' })
  t.equal(server.seen.length, calls, 'refused before any call')
  answer = { ...own, out_trade_no: 'V2X1', trade_state: 'ACCEPT' }
  await t.rejects(pay.query({ outTradeNo: 'V2X1' }), { code: 'WECHAT_REPLY', message: /the state ACCEPT/ })
  answer.out_trade_no = 'other'
  await t.rejects(pay.query({ outTradeNo: 'V2X1' }), { code: 'WECHAT_REPLY', message: /about another order/ })
})

t.test('a report sends the duration under WeChat\'s field name', async t => {
  const server = await fakeServer((_seen, reply) => { reply.end(writeXml({ return_code: 'SUCCESS', result_code: 'SUCCESS' })) })
  t.teardown(server.close)
  await createPay({ ...ACCOUNT, endpoints: server.endpoints }).v2.report({ interfaceUrl: 'https://api.mch.weixin.qq.com/pay/unifiedorder', executeTime: 30, returnCode: 'SUCCESS', resultCode: 'SUCCESS', userIp: '127.0.0.1' })
  // With the trailing underscore, as in Tencent's PHP sample (WxPayReport) and in the call's documentation.
  t.match({ ...readXml(Buffer.from(server.seen[0]!.body)) }, { execute_time_: '30', execute_time: undefined })
})

t.test('every code has a fault, advice in both languages, and retryable', t => {
  for (const [code, info] of Object.entries(ERR_CODES)) {
    t.match(info, { fault: /^(?:caller|wechat)$/, advice: /^[A-Z].*[.?]$/, adviceZh: /[\u4e00-\u9fff].*。$/ }, code)
    t.equal(info.retryable ?? false, info.fault === 'wechat', code)
  }
  const byMessage: Array<[string, string, RegExp]> = [
    ['', '签名错误，请检查后再试', /apiKey/], ['', '签名错误', /apiKey/], ['', 'appid and openid not match', /another appId/], ['', 'JSAPI支付必须传openid', /openid/], ['', '您没有JSAPI支付权限', /permission/],
    ['', 'mch_id参数格式错误', /mchId/], ['', 'appid和mch_id不匹配', /mchId/], ['', 'No Bill Exist', /bill/], ['ERROR', '订单已全额退款', /fully refunded/], ['INVALID_REQUEST', 'refund_fee大于可退金额', /left/], ['INVALID_REQUEST', '201 商户订单号重复', /other parameters/]
  ]
  for (const [code, message, advice] of byMessage) t.match(meaningOf(code, message), { advice }, message)
  t.equal(meaningOf('', 'something new'), undefined)
  t.equal(meaningOf('NEW_CODE', '签名错误'), undefined)
  t.end()
})
