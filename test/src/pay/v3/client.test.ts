/** v3 calls: verification, retries, encryption, and forbidden URLs. */
import { createHash, createPublicKey } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import { createPay } from '../../../../src/pay/pay.ts'
import { V3_CODES, meaningOfV3 } from '../../../../src/pay/v3/error-codes.ts'
import { encryptSensitive } from '../../../../src/pay/v3/sensitive.ts'
import { ACCOUNT, OPENID, testEmulator } from '../../../helpers/account.ts'
import { FAULTS, fakeServer } from '../../../helpers/fake-server.ts'
import type { Answer } from '../../../helpers/fake-server.ts'
import { answering, keys, v3, v3Options as options } from '../../../helpers/v3-server.ts'
import { patience } from '../../../helpers/patience.ts'

const order = { outTradeNo: 'C1234567890', description: '咖啡', amount: 100, openid: OPENID }

t.test('P10 an answer must have WeChat\'s signature, recent and over these bytes', async t => {
  const server = await fakeServer(answering(200, { prepay_id: 'wx1' }))
  t.teardown(server.close)
  const pay = createPay({ ...options, endpoints: server.endpoints, http: { retries: 0 } })
  t.match(await pay.jsapi(order), { package: 'prepay_id=wx1' })
  const sent = JSON.parse(server.seen[0]!.body)
  t.match(sent, { appid: ACCOUNT.appId, mchid: ACCOUNT.merchant.mchId, out_trade_no: order.outTradeNo, amount: { total: 100, currency: 'CNY' }, payer: { openid: OPENID }, notify_url: 'https://shop.test/notify' })
  t.notOk('scene_info' in sent)
  const untrusted: Array<[string, Answer]> = [
    ['unsigned', answering(200, { prepay_id: 'wx1' }, { change: headers => { headers['wechatpay-signature'] = '' } })],
    ['by another key', answering(200, { prepay_id: 'wx1' }, { key: keys.merchant.key })],
    ['by an unknown key', answering(200, { prepay_id: 'wx1' }, { serial: 'PUB_KEY_ID_0other' })],
    ['six minutes old', answering(200, { prepay_id: 'wx1' }, { at: Date.now() - 360_000 })],
    ['six minutes ahead', answering(200, { prepay_id: 'wx1' }, { at: Date.now() + 360_000 })],
    ['a malformed timestamp', answering(200, { prepay_id: 'wx1' }, { change: headers => { headers['wechatpay-timestamp'] = 'soon' } })],
    ['another algorithm', answering(200, { prepay_id: 'wx1' }, { change: headers => { headers['wechatpay-signature-type'] = 'WECHATPAY2-SM2-WITH-SM3' } })],
    ['a short signature', answering(200, { prepay_id: 'wx1' }, { change: headers => { headers['wechatpay-signature'] = 'AAAA' } })],
    ['a probe', answering(200, { prepay_id: 'wx1' }, { change: headers => { headers['wechatpay-signature'] = 'WECHATPAY/SIGNTEST/AAAA' } })],
    ['without a nonce', answering(200, { prepay_id: 'wx1' }, { change: headers => { headers['wechatpay-nonce'] = '' } })],
    ['another nonce', answering(200, { prepay_id: 'wx1' }, { change: headers => { headers['wechatpay-nonce'] = 'n2' } })],
    ['no prepay_id', answering(200, {})],
    ['a malformed prepay_id', answering(200, { prepay_id: 'a b' })],
    ['not JSON', answering(200, 'text')]
  ]
  for (const [name, answer] of untrusted) {
    server.become(answer)
    await t.rejects(pay.jsapi(order), { code: 'WECHAT_REPLY', outcome: 'unknown' }, name)
  }
  server.become(answering(204, undefined))
  await pay.close(order.outTradeNo)
  server.become(answering(204, undefined, { key: keys.merchant.key }))
  await t.rejects(pay.close(order.outTradeNo), { code: 'WECHAT_REPLY' }, 'an empty answer is signed too')
  const other = { appid: ACCOUNT.appId, mchid: ACCOUNT.merchant.mchId, out_trade_no: order.outTradeNo, trade_state: 'NOTPAY' }
  for (const change of [{ out_trade_no: 'other' }, { mchid: '1' }, { appid: 'wx9' }, { trade_state: 'WHATEVER' }, { trade_state: 'SUCCESS' }]) {
    server.become(answering(200, { ...other, ...change }))
    await t.rejects(pay.query({ outTradeNo: order.outTradeNo }), { code: 'WECHAT_REPLY' }, JSON.stringify(change))
  }
  server.become(answering(200, { refund_id: '50', out_refund_no: 'R1', out_trade_no: 'x', transaction_id: '42', status: 'PROCESSING', amount: { refund: 1, total: 100 } }))
  await t.rejects(pay.refund({ outTradeNo: order.outTradeNo, outRefundNo: 'R1', amount: 2, total: 100 }), { code: 'WECHAT_REPLY' }, 'another amount')
  await t.rejects(pay.queryRefund({ outRefundNo: 'R2' }), { code: 'WECHAT_REPLY' }, 'another refund')
})

t.test('P11 all kinds of faults: unknown outcome, no secrets in errors', async t => {
  const server = await fakeServer(answering(200, {}))
  t.teardown(server.close)
  const pay = createPay({ ...options, endpoints: server.endpoints, http: { retries: 0, timeout: patience(200) } })
  for (const [name, fault] of Object.entries({ ...FAULTS, slow: () => {} } as Record<string, Answer>)) {
    server.become(fault)
    const error = await pay.jsapi(order).catch((error: unknown) => error) as Error
    t.match(error, { code: /^WECHAT_(REPLY|NETWORK)$/, outcome: 'unknown' }, name)
    t.notMatch(JSON.stringify(error) + error.stack, /a1B2c3|PRIVATE KEY|signature=/)
  }
})

t.test('WeChat\'s errors, signed or not: request id, advice and retryable', async t => {
  const server = await fakeServer(answering(200, {}))
  t.teardown(server.close)
  const pay = createPay({ ...options, endpoints: server.endpoints, http: { retries: 0 } })
  const refused = async (answer: Answer, expected: object) => {
    server.become(answer)
    await t.rejects(pay.query({ outTradeNo: order.outTradeNo }), expected as never, JSON.stringify(expected))
  }
  await refused(answering(404, { code: 'ORDER_NOT_EXIST', message: '订单不存在' }), { code: 'WECHAT_API', wechatCode: 'ORDER_NOT_EXIST', wechatMessage: '订单不存在', requestId: '0891D2AF0128EA9805-270924337', statusCode: 404, signed: true, fault: 'caller' })
  const unsigned = (headers: Record<string, string>) => { headers['wechatpay-signature'] = '' }
  await refused(answering(404, { code: 'ORDER_NOT_EXIST', message: 'x' }, { change: unsigned }), { code: 'WECHAT_API', signed: false, message: /\(unsigned\)/ })
  await refused(answering(400, { code: 'PARAM_ERROR', message: `bad\n${v3.apiV3Key}` }, { change: headers => { unsigned(headers); headers['request-id'] = '' } }), { code: 'WECHAT_API', wechatMessage: 'bad ***', requestId: undefined })
  await refused(answering(404, { code: 'ORDER_NOT_EXIST', message: 'x' }, { key: keys.merchant.key }), { code: 'WECHAT_REPLY', message: /HTTP 404.*false/ })
  await refused(answering(401, { code: 'SIGN_ERROR', message: '错误的签名，验签失败' }), { code: 'WECHAT_API', advice: /privateKey/, adviceZh: /私钥/ })
  await refused(answering(400, { message: 'no code' }), { code: 'WECHAT_REPLY', message: /HTTP 400/ })
  await refused(answering(400, undefined), { code: 'WECHAT_REPLY' })
  await refused(answering(429, { code: 'SOMETHING_NEW', message: 'x' }), { code: 'WECHAT_API', retryable: true, fault: 'wechat' })
  await refused(answering(202, { code: 'USERPAYING', message: 'x' }), { code: 'WECHAT_API', retryable: true, statusCode: 202 })
  await refused((seen, reply, request) => answering(400, { code: 'INVALID_REQUEST', message: 'x' }, { change: headers => { headers['request-id'] = '08-268498689' } })(seen, reply, request), { wechatCode: 'INVALID_REQUEST', statusCode: 409, advice: /is paid/, code: 'WECHAT_API' })
  for (const [code, info] of Object.entries(V3_CODES)) {
    t.match(info, { fault: /^(?:caller|wechat)$/, advice: /^[A-Z].*[.?]$/, adviceZh: /[\u4e00-\u9fff].*。$/ }, code)
    t.equal(info.retryable ?? false, info.fault === 'wechat', code)
  }
  t.equal(meaningOfV3('NEW', '08-1'), undefined)
})

t.test('transient errors are retried with the same numbers and a new signature, unless the call may act twice', async t => {
  let calls = 0
  const busy: Answer = (seen, reply, request) => (++calls <= 2 ? answering(calls === 1 ? 429 : 500, { code: calls === 1 ? 'RATELIMIT_EXCEED' : 'SYSTEM_ERROR', message: 'x' }) : answering(200, { prepay_id: 'wx1' }))(seen, reply, request)
  const server = await fakeServer(busy)
  t.teardown(server.close)
  const pay = createPay({ ...options, endpoints: server.endpoints })
  await pay.jsapi(order)
  t.equal(new Set(server.seen.map(({ body }) => body)).size, 1)
  t.equal(new Set(server.seen.map(({ headers }) => headers.authorization)).size, 3)
  calls = 0
  await t.rejects(pay.v3.request('POST', '/v3/some/new/call', { body: {} }), { code: 'WECHAT_API', wechatCode: 'RATELIMIT_EXCEED' })
  t.equal(calls, 1)
  const standBy = await fakeServer(answering(200, { prepay_id: 'wx2' }))
  t.teardown(standBy.close)
  server.become((_seen, reply) => { reply.destroy() })
  const two = createPay({ ...options, endpoints: { ...server.endpoints, payBackup: standBy.origin } })
  t.match(await two.jsapi(order), { package: 'prepay_id=wx2' }, 'the backup host')
})

t.test('paths and bases', async t => {
  const server = await fakeServer(answering(200, { ok: 1 }))
  t.teardown(server.close)
  const pay = createPay({ ...options, endpoints: { pay: `${server.origin}/behind/a/proxy` } })
  t.match(await pay.v3.request('GET', '/v3/some/call', { query: { a: '1 2', b: undefined, c: 3 } }), { ok: 1 })
  const { url, headers } = server.seen[0]!
  t.equal(url, '/behind/a/proxy/v3/some/call?a=1+2&c=3')
  t.match(headers.authorization, /^WECHATPAY2-SHA256-RSA2048 mchid=/)
  for (const path of ['/pay/unifiedorder', '/v3/a?b=1', '/v3/a#b', '/v3/../secret', '/v3/a/..', '/v3/a b', 'https://evil/v3/', '/v3/a\\b']) {
    await t.rejects(pay.v3.request('GET', path), { code: 'WECHAT_INPUT', field: 'path' }, path)
  }
  t.equal(server.seen.length, 1)
})

t.test('P15 a bill is only downloaded from WeChat, and its hash is checked', async t => {
  const row = '`2026-11-20 12:00:00,`42,`A1,`SUCCESS,`0.29'
  const text = ['交易时间,微信订单号,商户订单号,交易状态,应结订单金额', row, '总交易单数,应结订单总金额', '`1,`0.29'].join('\n')
  const sha1 = createHash('sha1').update(text).digest('hex')
  const server = await fakeServer(() => {})
  t.teardown(server.close)
  const pay = createPay({ ...options, endpoints: server.endpoints, http: { retries: 0 } })
  const offer = (change: object = {}, file: Answer = (_seen, reply) => { reply.end(gzipSync(text)) }): Answer => (seen, reply, request) =>
    (seen.url.startsWith('/v3/billdownload') ? file : answering(200, { hash_type: 'SHA1', hash_value: sha1, download_url: `${server.origin}/v3/billdownload/file?token=x`, ...change }))(seen, reply, request)
  const read = async () => {
    const rows = []
    for await (const row of pay.tradeBill({ date: '2026-11-20' })) rows.push(row.outTradeNo)
    return rows
  }
  server.become(offer())
  t.same(await read(), ['A1'])
  t.match(server.seen.at(-1)!.headers.authorization, /^WECHATPAY2/)
  const wrong: Array<[string, object, RegExp]> = [
    ['another hash', { hash_value: 'a'.repeat(40) }, /hash/], ['no hash', { hash_value: undefined }, /no download_url or hash/], ['another kind of hash', { hash_type: 'MD5' }, /no download_url or hash/], ['no address', { download_url: undefined }, /no download_url or hash/],
    ['another host', { download_url: 'https://evil.test/v3/billdownload/file' }, /a host that is not/], ['a host that begins alike', { download_url: `${server.origin}.evil.test/x` }, /a host that is not/], ['a user name', { download_url: server.origin.replace('http://', 'http://x@') }, /a host that is not/], ['no TLS', { download_url: 'http://api.mch.weixin.qq.com/x' }, /a host that is not/]
  ]
  for (const [name, change, message] of wrong) {
    server.become(offer(change))
    await t.rejects(read(), { code: 'WECHAT_REPLY', message }, name)
  }
  server.become(offer({}, (_seen, reply) => { reply.writeHead(404, { 'content-type': 'application/json' }).end('{"code":"NOT_FOUND","message":"x"}') }))
  await t.rejects(read(), { code: 'WECHAT_API', wechatCode: 'NOT_FOUND', signed: false })
})

t.test('sensitive fields, uploads and other calls, at the emulator', async t => {
  for (const keyMode of ['public-key', 'certificate'] as const) {
    const emulator = await testEmulator(t, { keyMode, refundDelay: 3600, balance: 1_000_000 })
    const pay = createPay({ ...emulator.v3Config, merchant: { ...emulator.v3Config.merchant, notifyUrl: 'http://127.0.0.1:1/n' } })
    const { transfers, profitSharing, combine } = pay.v3
    const bill = { outBillNo: 'TB00001', sceneId: '1000', openid: OPENID, amount: 200_000, remark: '新会员奖励', realName: '李雷', reports: [{ info_type: '活动名称', info_content: '新会员有礼' }, { info_type: '奖励说明', info_content: '注册奖励' }] }
    const sent = await transfers.create(bill)
    t.match(sent, { state: 'WAIT_USER_CONFIRM', packageInfo: /./ })
    t.equal((await transfers.create(bill)).transferBillNo, sent.transferBillNo)
    await t.rejects(transfers.create({ ...bill, amount: 200_001 }), { code: 'WECHAT_API', wechatCode: 'ALREADY_EXISTS', statusCode: 409 })
    await t.rejects(transfers.create({ ...bill, outBillNo: 'TB00002', realName: undefined } as never), { code: 'WECHAT_API', wechatCode: 'PARAM_ERROR', message: /姓名/ })
    await t.rejects(transfers.create({ ...bill, outBillNo: 'TB00003', amount: 2_000_000 }), { code: 'WECHAT_API', wechatCode: 'NOT_ENOUGH' })
    t.match(await transfers.query('TB00001'), { state: 'WAIT_USER_CONFIRM', transfer_amount: 200_000 })
    t.match(await transfers.cancel('TB00001'), { state: 'CANCELLED' })
    for (const call of [transfers.query, transfers.cancel]) await t.rejects(call('TB99999'), { code: 'WECHAT_API', statusCode: 404 })
    for (const [change, field] of [[{ outBillNo: 'a-b' }, 'outBillNo'], [{ openid: '' }, 'openid'], [{ amount: 0.5 }, 'amount'], [{ remark: '' }, 'remark']] as const) {
      await t.rejects(transfers.create({ ...bill, ...change }), { code: 'WECHAT_INPUT', field })
    }

    const receiver = { type: 'PERSONAL_OPENID', account: OPENID, name: '李雷' } as const
    await pay.jsapi({ ...order, amount: 1000, profitSharing: true })
    const { transaction_id: transactionId } = await emulator.pay(order.outTradeNo)
    await profitSharing.addReceiver({ ...receiver, relation: 'PARTNER' })
    const share = { transactionId, outOrderNo: 'SH00001', receivers: [{ ...receiver, amount: 100, description: '分账' }], finish: false }
    t.match(await profitSharing.share(share), { state: 'PROCESSING' })
    t.match(await profitSharing.query(share), { receivers: [{ account: OPENID, amount: 100 }] })
    t.match(await profitSharing.takeBack({ outOrderNo: 'SH00001', outReturnNo: 'RT00001', returnMchId: '1900000109', amount: 100, description: '退回' }), { result: 'SUCCESS' })
    t.match(await profitSharing.finish({ transactionId, outOrderNo: 'SH00002', description: '完结' }), { state: 'FINISHED' })
    await profitSharing.removeReceiver(receiver)
    await t.rejects(profitSharing.share({ ...share, outOrderNo: 'SH00003' }), { code: 'WECHAT_API', wechatCode: 'PARAM_ERROR' })
    await t.rejects(profitSharing.share({ ...share, receivers: [] }), { code: 'WECHAT_INPUT', field: 'receivers' })

    await pay.refund({ outTradeNo: order.outTradeNo, outRefundNo: 'AR1', amount: 100, total: 1000 })
    const { refundId } = await pay.queryRefund({ outRefundNo: 'AR1' })
    await emulator.settleRefund('AR1', 'CHANGE')
    t.match(await pay.v3.abnormalRefund({ refundId, outRefundNo: 'AR1', type: 'USER_BANK_CARD', bankType: 'ICBC_DEBIT', bankAccount: '6222020000000000000', realName: '李雷' }), { state: 'PROCESSING' })
    await t.rejects(pay.v3.abnormalRefund({ refundId, outRefundNo: 'AR1', type: 'MERCHANT_BANK_CARD' }), { code: 'WECHAT_API', wechatCode: 'INVALID_REQUEST' })
    await t.rejects(pay.v3.abnormalRefund({ refundId: 'x', outRefundNo: 'AR1', type: 'MERCHANT_BANK_CARD' }), { code: 'WECHAT_INPUT', field: 'refundId' })

    const parts = [{ outTradeNo: 'CP00001', description: '咖啡', amount: 100, attach: 'a' }, { outTradeNo: 'CP00002', description: '茶', amount: 200, attach: 'b' }]
    const combined = { combineOutTradeNo: 'CB00001', parts, openid: OPENID, clientIp: '9.9.9.9', expiresAt: new Date(Date.now() + 600_000) }
    t.match(await combine.jsapi(combined), { package: /^prepay_id=/, signType: 'RSA' })
    await emulator.payCombined('CB00001')
    t.match(await combine.query('CB00001'), { sub_orders: [{ trade_state: 'SUCCESS', amount: { total_amount: 100 } }, { trade_state: 'SUCCESS' }] })
    const others = (name: string) => ({ ...combined, combineOutTradeNo: `CB-${name}`, parts: parts.map(part => ({ ...part, outTradeNo: `${part.outTradeNo}${name}` })) })
    t.match(await combine.app(others('app')), { prepayid: /^wx/ })
    t.match(await combine.native(others('nat')), { codeUrl: /^weixin:/ })
    t.match(await combine.h5(others('h5')), { h5Url: /^http/ })
    await combine.close('CB-nat', others('nat').parts)
    t.match(await pay.query({ outTradeNo: 'CP00001nat' }), { state: 'CLOSED' })
    await t.rejects(combine.jsapi({ ...combined, parts: [parts[0]!] }), { code: 'WECHAT_INPUT', field: 'parts' })
    await t.rejects(combine.jsapi({ ...combined, openid: '' }), { code: 'WECHAT_INPUT', field: 'openid' })
    await t.rejects(combine.query('none01'), { code: 'WECHAT_API', statusCode: 404 })
    await t.rejects(combine.close('none01', parts), { code: 'WECHAT_API', statusCode: 404 })
    await t.rejects(emulator.payCombined('none'), { message: /no such/ })
    await t.rejects(emulator.payCombined('CB00001'), { message: /cannot be paid/ })

    t.match(await pay.v3.upload('/v3/merchant/media/upload', { filename: '店铺.png', content: Buffer.from([0, 1, 2, 255, 13, 10]), contentType: 'image/png' }), { media_id: /./ })
    await t.rejects(pay.v3.upload('/v3/merchant/media/upload', { filename: 'x.png', content: Buffer.from('x'), meta: { filename: 'x.png', sha256: 'false' } }), { code: 'WECHAT_API', wechatCode: 'PARAM_ERROR' })
    await t.rejects(pay.v3.upload('/x', { filename: 'a"b', content: Buffer.from('x') }), { code: 'WECHAT_INPUT', field: 'filename' })
    await t.rejects(pay.v3.upload('/x', { filename: 'a', content: Buffer.from('x'), contentType: 'a\r\nb' }), { code: 'WECHAT_INPUT', field: 'contentType' })
    await t.rejects(pay.v3.request('POST', '/v3/x', { body: { a: { b: 1 } }, encrypt: ['a.b'] }), { code: 'WECHAT_INPUT', field: 'a.b' })
    await t.rejects(pay.v3.request('POST', '/v3/x', { body: {}, encrypt: ['a.b'] }), { code: 'WECHAT_INPUT', field: 'a.b' })
    t.equal(pay.v3.decrypt(encryptSensitive('李雷', createPublicKey(emulator.v3Config.merchant.v3.privateKey))), '李雷')
    t.throws(() => pay.v3.decrypt('AAAA'), { code: 'WECHAT_REPLY' })
    await t.rejects(pay.jsapi({ ...order, outTradeNo: 'NC00001', noCredit: true }), { code: 'WECHAT_INPUT', field: 'noCredit' })
    t.throws(() => pay.v2, { code: 'WECHAT_CONFIG', option: 'merchant.v2' })
    t.match(await pay.micropay({ ...order, outTradeNo: 'MP00001', authCode: await emulator.authCode() }), { state: 'SUCCESS' }, 'needs no v2')
  }
  const emulator = await testEmulator(t)
  const v2Only = createPay({ ...emulator.config, merchant: { ...emulator.config.merchant, notifyUrl: 'http://127.0.0.1:1/n' } })
  t.throws(() => v2Only.v3, { code: 'WECHAT_CONFIG', option: 'merchant.v3' })
  t.throws(() => createPay({ ...emulator.config, version: 'v3', merchant: { ...emulator.config.merchant, notifyUrl: 'http://127.0.0.1:1/n' } }), { code: 'WECHAT_CONFIG', option: 'merchant.v3' })
  t.throws(() => createPay({ ...emulator.config, version: 'v4' as 'v3', merchant: { ...emulator.config.merchant, notifyUrl: 'http://127.0.0.1:1/n' } }), { code: 'WECHAT_CONFIG', option: 'version' })
})

t.test('P6 quotes and line breaks in header values are refused before any call', async t => {
  const emulator = await testEmulator(t)
  const { merchant } = emulator.v3Config
  const pay = (change: object) => createPay({ ...emulator.v3Config, merchant: { ...merchant, notifyUrl: 'http://127.0.0.1:1/n', ...change } })
  for (const odd of ['A"B', 'AB\r\nX: 1', 'AB\n']) {
    t.throws(() => pay({ mchId: odd }), { code: 'WECHAT_CONFIG', option: 'merchant.mchId' })
    t.throws(() => pay({ v3: { ...merchant.v3, serialNo: odd } }), { code: 'WECHAT_CONFIG', option: 'merchant.v3.serialNo' })
    t.throws(() => pay({ v3: { ...merchant.v3, publicKeyId: `PUB_KEY_ID_${odd}` } }), { code: 'WECHAT_CONFIG', option: 'merchant.v3.publicKeyId' })
    await t.rejects(pay({}).v3.upload('/v3/merchant/media/upload', { filename: odd, content: Buffer.from('x') }), { code: 'WECHAT_INPUT', field: 'filename' })
    await t.rejects(pay({}).v3.upload('/v3/merchant/media/upload', { filename: 'a', content: Buffer.from('x'), contentType: `image/png${odd}` }), { code: 'WECHAT_INPUT', field: 'contentType' })
  }
  t.same(await emulator.calls(), [])
})
