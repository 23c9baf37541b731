/** Requests and accepted answers of each APIv3 call, checked against TheNorthMemory/wechatpay-openapi. */
import { constants, createCipheriv, createHash, createPublicKey, publicEncrypt, randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import type { Test } from 'tap'
import { createPay } from '../../../../src/pay/pay.ts'
import { toChinaDay } from '../../../../src/pay/china-time.ts'
import { ACCOUNT, OPENID, testEmulator } from '../../../helpers/account.ts'
import { fakeServer } from '../../../helpers/fake-server.ts'
import type { Answer } from '../../../helpers/fake-server.ts'
import { answering, keys, v3Options } from '../../../helpers/v3-server.ts'

const ORDER = { outTradeNo: 'C1234567890', description: '咖啡', amount: 100, openid: OPENID }
const SUB = { subMchId: '1900000110' }
const { mchId } = ACCOUNT.merchant

async function shop (t: Test, answer: Answer = answering(200, { prepay_id: 'wx1' }), sub: object = {}) {
  const server = await fakeServer(answer)
  t.teardown(server.close)
  const pay = createPay({ ...v3Options, merchant: { ...v3Options.merchant, ...sub }, endpoints: server.endpoints, http: { retries: 0 } })
  const last = () => {
    const { method, url, body } = server.seen.at(-1)!
    return { call: `${method} ${url}`, body: body === '' ? undefined : JSON.parse(body) }
  }
  return { server, pay, last }
}

const DETAIL = { costPrice: 200, receiptId: 'R-1', goods: [{ id: 'G1', wechatId: '1001', name: '咖啡', quantity: 1, price: 100 }] }
const STORE = { id: 'S1', name: '一店', areaCode: '440305', address: '深圳' }

t.test('order fields: goods, store, excluded payment methods, and extra fields', async t => {
  const { server, pay, last } = await shop(t)
  await pay.jsapi({ ...ORDER, clientIp: '203.0.113.7', detail: DETAIL, storeInfo: STORE, limitPay: ['no_debit', 'no_balance'], profitSharing: true, extra: { settle_info: { subsidy_amount: 10 }, trade_scene: 'x' } })
  t.match(last().body, {
    detail: { cost_price: 200, invoice_id: 'R-1', goods_detail: [{ merchant_goods_id: 'G1', wechatpay_goods_id: '1001', goods_name: '咖啡', quantity: 1, unit_price: 100 }] },
    scene_info: { payer_client_ip: '203.0.113.7', store_info: { id: 'S1', name: '一店', area_code: '440305', address: '深圳' } },
    limit_pay: ['no_debit', 'no_balance'],
    settle_info: { profit_sharing: true, subsidy_amount: 10 },
    trade_scene: 'x'
  })
  const calls = server.seen.length
  for (const [name, value] of Object.entries({ amount: { total: 1 }, appid: 'wx9', mchid: '1', sp_mchid: '1', sub_mchid: '1', out_trade_no: 'X', notify_url: 'https://evil.test', payer: { openid: 'o' }, description: 'x' })) {
    await t.rejects(pay.jsapi({ ...ORDER, extra: { [name]: value } }), { code: 'WECHAT_INPUT', field: `extra.${name}` }, name)
  }
  await t.rejects(pay.jsapi({ ...ORDER, profitSharing: true, extra: { settle_info: { profit_sharing: false } } }), { code: 'WECHAT_INPUT', field: 'extra.settle_info.profit_sharing' }, 'nor nested members')
  await t.rejects(pay.jsapi({ ...ORDER, storeInfo: STORE }), { code: 'WECHAT_INPUT', field: 'clientIp' })
  for (const [field, wrong] of [
    ['limitPay', { limitPay: ['all'] }], ['limitPay', { limitPay: 'no_debit' }], ['limitPay', { limitPay: [] }], ['detail.goods', { detail: { goods: [] } }], ['detail.goods.0.price', { detail: { goods: [{ ...DETAIL.goods[0], price: 0.5 }] } }], ['detail.goods.0.quantity', { detail: { goods: [{ ...DETAIL.goods[0], quantity: 0 }] } }],
    ['detail.goods.0', { detail: { goods: [null] } }], ['detail.costPrice', { detail: { ...DETAIL, costPrice: '1' } }], ['storeInfo.id', { storeInfo: {} }], ['storeInfo', { storeInfo: null }], ['storeInfo.name', { storeInfo: { id: 'a', name: 5 } }],
    ['extra', { extra: [] }], ['extra', { extra: JSON.parse('{"__proto__":{"a":1}}') }], ['extra', { extra: { 'a<b>': 1 } }], ['extra.a', { extra: { a: 0.5 } }], ['extra.a', { extra: { a: null } }], ['extra.a', { extra: { a: 'x\u0000' } }], ['extra.a.b', { extra: { a: { b: undefined } } }], ['extra', { extra: new Map() }]
  ] as const) await t.rejects(pay.jsapi({ ...ORDER, clientIp: '203.0.113.7', ...wrong } as never), { code: 'WECHAT_INPUT', field }, JSON.stringify(wrong))
  const circle: Record<string, unknown> = {}
  circle.a = circle
  await t.rejects(pay.jsapi({ ...ORDER, extra: circle }), { code: 'WECHAT_INPUT', field: 'extra' })
  t.equal(server.seen.length, calls, 'refused before any call')
})

t.test('concurrent orders that differ in an extra field are two calls; equal ones are one', async t => {
  const { server, pay } = await shop(t)
  const order = { ...ORDER, extra: { a: { b: 1 } } }
  await Promise.all([pay.jsapi(order), pay.jsapi({ ...order }), pay.jsapi({ ...order, extra: { a: { b: 2 } } }), pay.jsapi({ ...order, detail: DETAIL })])
  t.equal(server.seen.length, 3)
})

t.test('closing a closed order resolves if WeChat confirms that it is closed', async t => {
  for (const code of ['ORDER_CLOSED', 'ORDERCLOSED']) {
    const { pay, server } = await shop(t, answering(400, { code, message: '订单已关闭' }))
    await pay.close(ORDER.outTradeNo)
    await pay.v3.combine.close('CB00001', [{ outTradeNo: 'CP00001' }, { outTradeNo: 'CP00002' }])
    server.become(answering(400, { code, message: '订单已关闭' }, { change: headers => { headers['wechatpay-signature'] = '' } }))
    await t.rejects(pay.close(ORDER.outTradeNo), { code: 'WECHAT_API', signed: false }, 'a gateway\'s error does not count')
    server.become(answering(400, { code: 'ORDERPAID', message: '订单已支付' }))
    await t.rejects(pay.close(ORDER.outTradeNo), { code: 'WECHAT_API', wechatCode: 'ORDERPAID', statusCode: 409 })
  }
})

t.test('an unknown state is named', async t => {
  const { appId } = ACCOUNT
  const state = (trade_state: string, more: object = {}) => answering(200, { appid: appId, mchid: mchId, out_trade_no: ORDER.outTradeNo, trade_state, ...more })
  const { pay, server } = await shop(t, state('ACCEPT'))
  await t.rejects(pay.query({ outTradeNo: ORDER.outTradeNo }), { code: 'WECHAT_REPLY', message: /the state ACCEPT/ })
  server.become(state('SOMETHING_NEW'))
  await t.rejects(pay.query({ outTradeNo: ORDER.outTradeNo }), { code: 'WECHAT_REPLY', message: /the state SOMETHING_NEW/ })
  server.become(state('<script>'))
  await t.rejects(pay.query({ outTradeNo: ORDER.outTradeNo }), { code: 'WECHAT_REPLY', message: /fields of the order/ })
  server.become(state('SUCCESS'))
  await t.rejects(pay.query({ outTradeNo: ORDER.outTradeNo }), { code: 'WECHAT_REPLY', message: /fields of the order/ })
  server.become(state('ACCEPT', { out_trade_no: 'other' }))
  await t.rejects(pay.query({ outTradeNo: ORDER.outTradeNo }), { code: 'WECHAT_REPLY', message: /about another order/ })
})

t.test('profit sharing: 64-character numbers, the sub-merchant\'s receivers, returns, and the remaining amount', async t => {
  const long = 'S'.repeat(64)
  const { pay, last, server } = await shop(t, answering(200, { transaction_id: '42', unsplit_amount: 70, state: 'PROCESSING', result: 'SUCCESS' }), { ...SUB, subAppId: 'wxsub0000000000001' })
  const { profitSharing } = pay.v3
  const receiver = { type: 'PERSONAL_SUB_OPENID', account: OPENID } as const
  await profitSharing.share({ transactionId: '42', outOrderNo: long, receivers: [{ ...receiver, amount: 1, description: 'd' }], finish: false })
  t.match(last().body, { appid: ACCOUNT.appId, sub_appid: 'wxsub0000000000001', sub_mchid: SUB.subMchId, out_order_no: long, receivers: [{ type: 'PERSONAL_SUB_OPENID' }] })
  await profitSharing.addReceiver({ ...receiver, relation: 'STAFF' })
  t.match(last().body, { sub_appid: 'wxsub0000000000001', type: 'PERSONAL_SUB_OPENID' })
  await profitSharing.takeBack({ outOrderNo: long, outReturnNo: long, returnMchId: '1', amount: 1, description: 'd' })
  t.match(last().body, { out_order_no: long, out_return_no: long })
  t.match(await profitSharing.queryReturn({ outOrderNo: long, outReturnNo: 'RT/1'.replace('/', '-') }), { result: 'SUCCESS' })
  t.equal(last().call, `GET /v3/profitsharing/return-orders/RT-1?sub_mchid=${SUB.subMchId}&out_order_no=${long}`)
  t.equal(await profitSharing.remaining('42'), 70)
  t.equal(last().call, 'GET /v3/profitsharing/transactions/42/amounts')
  server.become(answering(200, { transaction_id: '43', unsplit_amount: 70 }))
  await t.rejects(profitSharing.remaining('42'), { code: 'WECHAT_REPLY' })
  const calls = server.seen.length
  for (const number of ['', 'x'.repeat(65), 'a/b', 5]) {
    await t.rejects(profitSharing.query({ transactionId: '42', outOrderNo: number as string }), { code: 'WECHAT_INPUT', field: 'outOrderNo' })
    await t.rejects(profitSharing.takeBack({ outOrderNo: 'a', outReturnNo: number as string, returnMchId: '1', amount: 1, description: 'd' }), { code: 'WECHAT_INPUT', field: 'outReturnNo' })
  }
  const plain = await shop(t)
  await t.rejects(plain.pay.v3.profitSharing.addReceiver({ ...receiver, relation: 'STAFF' }), { code: 'WECHAT_INPUT', message: /subAppId/ })
  t.equal(server.seen.length, calls)
})

t.test('transfers: remarks of 32 characters, queries by either number, receipts', async t => {
  const { pay, last, server } = await shop(t, answering(200, { transfer_bill_no: '133', state: 'ACCEPTED' }))
  const { transfers } = pay.v3
  const bill = { outBillNo: 'T', sceneId: '1000', openid: OPENID, amount: 100, remark: '奖'.repeat(32), reports: [{ info_type: '活动名称', info_content: '活动' }] }
  await transfers.create(bill)
  t.match(last().body, { out_bill_no: 'T', transfer_remark: '奖'.repeat(32) })
  await transfers.create({ ...bill, remark: '🧧'.repeat(32) })
  const calls = server.seen.length
  for (const remark of ['奖'.repeat(33), '', 'a\nb']) await t.rejects(transfers.create({ ...bill, remark }), { code: 'WECHAT_INPUT', field: 'remark' })
  for (const outBillNo of ['', 'a-b', 'x'.repeat(33)]) await t.rejects(transfers.create({ ...bill, outBillNo }), { code: 'WECHAT_INPUT', field: 'outBillNo' })
  await t.rejects(transfers.query({ transferBillNo: '../x' }), { code: 'WECHAT_INPUT', field: 'transferBillNo' })
  await t.rejects(transfers.query(undefined as never), { code: 'WECHAT_INPUT', field: 'outBillNo' })
  t.equal(server.seen.length, calls)
  await transfers.query({ transferBillNo: '1330000071100999991182020050700019480001' })
  t.equal(last().call, 'GET /v3/fund-app/mch-transfer/transfer-bills/transfer-bill-no/1330000071100999991182020050700019480001')
  for (const which of ['T', { outBillNo: 'T' }]) {
    await transfers.query(which)
    t.equal(last().call, 'GET /v3/fund-app/mch-transfer/transfer-bills/out-bill-no/T')
  }

  server.become(answering(200, { state: 'GENERATING', create_time: '2026-11-20T10:00:00+08:00' }))
  t.same(await transfers.requestReceipt({ transferBillNo: '133' }), { state: 'GENERATING' })
  t.match(last(), { call: 'POST /v3/fund-app/mch-transfer/elecsign/transfer-bill-no', body: { transfer_bill_no: '133' } })
  await transfers.requestReceipt('T')
  t.match(last(), { call: 'POST /v3/fund-app/mch-transfer/elecsign/out-bill-no', body: { out_bill_no: 'T' } })
  t.same(await transfers.receipt('T'), { state: 'GENERATING' })
  const pdf = Buffer.from('%PDF-1.7 receipt')
  const ready = (hash: string, more: object = {}): Answer => (seen, reply, request) => seen.url.startsWith('/download')
    ? reply.end(pdf)
    : answering(200, { state: 'FINISHED', hash_type: 'SHA256', hash_value: hash, download_url: `${server.origin}/download?token=x`, ...more })(seen, reply, request)
  const hash = createHash('sha256').update(pdf).digest('hex')
  server.become(ready(hash.toUpperCase()))
  t.same(await transfers.receipt({ outBillNo: 'T' }), { state: 'FINISHED', pdf })
  for (const wrong of [ready('0'.repeat(64)), ready(hash, { hash_type: 'SM3' }), ready(hash, { state: 'OTHER' }), ready(hash, { download_url: 'https://evil.test/x' })]) {
    server.become(wrong)
    await t.rejects(transfers.receipt('T'), { code: 'WECHAT_REPLY' })
  }
  server.become(answering(200, { state: 'FAILED', fail_reason: '转账单未成功' }))
  t.same(await transfers.receipt('T'), { state: 'FAILED', failReason: '转账单未成功' })
})

t.test('combined orders: 2 to 10 for a direct merchant, up to 50 with sub-merchants', async t => {
  const { pay, server } = await shop(t, answering(200, { code_url: 'weixin://x' }))
  const parts = (count: number, more: object = {}) => Array.from({ length: count }, (_none, at) => ({ outTradeNo: `P-${at}`, description: 'd', amount: 1, attach: 'a', ...more }))
  await pay.v3.combine.native({ combineOutTradeNo: 'CB1', parts: parts(10) })
  await pay.v3.combine.native({ combineOutTradeNo: 'CB1', parts: parts(50, { subMchId: '1' }) })
  const calls = server.seen.length
  for (const wrong of [parts(1), parts(11), parts(51, { subMchId: '1' }), undefined]) await t.rejects(pay.v3.combine.native({ combineOutTradeNo: 'CB1', parts: wrong as never }), { code: 'WECHAT_INPUT', field: 'parts' })
  t.equal(server.seen.length, calls)
})

t.test('a provider sends the sub-merchant for abnormal refunds', async t => {
  const refund = { out_refund_no: 'R1', refund_id: '50', out_trade_no: 'A1', transaction_id: '42', status: 'PROCESSING', amount: { refund: 1, total: 1 } }
  const request = { refundId: '50', outRefundNo: 'R1', type: 'MERCHANT_BANK_CARD' } as const
  const { pay, last } = await shop(t, answering(200, refund), SUB)
  await pay.v3.abnormalRefund(request)
  t.match(last().body, { sub_mchid: SUB.subMchId, out_refund_no: 'R1' })
  const direct = await shop(t, answering(200, refund))
  await direct.pay.v3.abnormalRefund(request)
  t.notOk('sub_mchid' in direct.last().body)
})

const rowsOf = async <T>(bill: AsyncIterable<T>) => {
  const rows: T[] = []
  for await (const row of bill) rows.push(row)
  return rows
}
const DAY = 86_400_000

t.test('a sub-merchant\'s fund flow bill, at the emulator: its own call, decrypted', async t => {
  // The order is two days old when the bill is requested; signatures use the real time.
  const real = Date.now
  let ago = 2 * DAY
  Date.now = () => real() - ago
  t.teardown(() => { Date.now = real })
  const emulator = await testEmulator(t, { subMerchants: [SUB] })
  const pay = createPay({ ...emulator.v3Config, merchant: { ...emulator.v3Config.merchant, ...SUB, notifyUrl: 'http://127.0.0.1:1/n' } })
  await pay.jsapi(ORDER)
  await emulator.pay(ORDER.outTradeNo, SUB)
  const date = toChinaDay(new Date(Date.now()))
  ago = 0
  const bill = pay.fundFlowBill({ date })
  t.match(await rowsOf(bill), [{ direction: 'in', amount: 100 }])
  t.match(bill.summary, { 资金流水总笔数: '1.0' })
  await t.rejects(rowsOf(pay.fundFlowBill({ date: '2020-01-01' })), { code: 'WECHAT_API', wechatCode: 'NO_STATEMENT_EXIST' })
  await t.rejects(rowsOf(pay.forSubMerchant({ subMchId: '1900000999' }).fundFlowBill({ date })), { code: 'WECHAT_API', wechatCode: 'NO_AUTH' })
})

t.test('a sub-merchant\'s fund flow bill: nothing is returned before it is verified', async t => {
  const names = '记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),资金变更提交申请人,备注,业务凭证号'
  const row = (at: number) => `\`2026-11-20 00:00:0${at},\`42,\`${at},\`交易,\`交易,\`收入,\`0.29,\`1.00,\`system,\`,\`A`
  const text = [names, row(1), row(2), '资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额', '`2,`2,`0.58,`0,`0.00'].join('\n')
  interface Change { key?: Buffer, sealed?: string, cut?: number, flip?: number, hash?: string, item?: object, answer?: object, gzip?: boolean }
  /** Written from the documentation, without our own cipher; two files, in reverse order. */
  const offer = ({ key = Buffer.from(randomBytes(16).toString('hex')), sealed, cut = 0, flip, hash, item = {}, answer = {}, gzip = true }: Change, origin: () => string): Answer => {
    const half = text.indexOf(row(2)) - 7
    const pieces = [text.slice(0, half), text.slice(half)].map((piece, at) => {
      const cipher = createCipheriv('aes-256-gcm', key, `nonce000000${at}`)
      const file = Buffer.concat([cipher.update(gzip ? gzipSync(piece) : Buffer.from(piece)), cipher.final(), cipher.getAuthTag()])
      if (flip !== undefined) file[flip < 0 ? file.length + flip : flip]! ^= 1
      return {
        file: file.subarray(0, file.length - cut),
        entry: { bill_sequence: at + 1, download_url: `${origin()}/v3/bill/downloadurl?token=${at}`, encrypt_key: sealed ?? publicEncrypt({ key: createPublicKey(keys.merchant.key), padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' }, key).toString('base64'), hash_type: 'SHA1', hash_value: hash ?? createHash('sha1').update(piece).digest('hex'), nonce: `nonce000000${at}`, ...item }
      }
    })
    return (seen, reply, request) => {
      const token = /token=(\d)/.exec(seen.url)?.[1]
      if (token) return reply.end(pieces[Number(token)]!.file)
      answering(200, { download_bill_count: 2, download_bill_list: pieces.map(({ entry }) => entry).reverse(), ...answer })(seen, reply, request)
    }
  }
  const server = await fakeServer(answering(200, {}))
  t.teardown(server.close)
  const pay = createPay({ ...v3Options, merchant: { ...v3Options.merchant, ...SUB }, endpoints: server.endpoints, http: { retries: 0 } })
  const read = async (change: Change = {}) => {
    server.become(offer(change, () => server.origin))
    const rows: string[] = []
    try {
      for await (const { flowId } of pay.fundFlowBill({ date: '2026-11-20' })) rows.push(flowId)
    } catch (error) {
      return { rows, error: error as Error }
    }
    return { rows, error: undefined }
  }
  t.same(await read(), { rows: ['1', '2'], error: undefined }, 'concatenated in order')
  t.match(server.seen.find(({ url }) => url.startsWith('/v3/bill/sub'))!.url, /sub_mchid=1900000110.*bill_date=2026-11-20.*account_type=BASIC.*tar_type=GZIP.*algorithm=AEAD_AES_256_GCM/)
  const bad: Array<[string, Change, RegExp]> = [
    ['a flipped bit in the text', { flip: 3 }, /truncated or altered/], ['a bit of the tag', { flip: -1 }, /truncated or altered/], ['cut', { cut: 1 }, /truncated or altered/], ['nothing but a part of a tag', { cut: 100_000 }, /truncated or altered/], ['another hash', { hash: '0'.repeat(40) }, /hash/], ['not packed', { gzip: false }, /gzip/],
    ['a key encrypted for another merchant', { sealed: 'AAAA' }, /not encrypted for this merchant/], ['a piece missing', { answer: { download_bill_count: 3 } }, /is incomplete/], ['no piece', { answer: { download_bill_list: [], download_bill_count: 0 } }, /is incomplete/], ['twice the same piece', { item: { bill_sequence: 1 } }, /is incomplete/],
    ['another hash\'s name', { item: { hash_type: 'SM3' } }, /no download_url, encryption key or hash/], ['no list', { answer: { download_bill_list: null } }, /is incomplete/], ['another host', { item: { download_url: 'https://evil.test/x' } }, /a host that is not/]
  ]
  for (const [name, change, message] of bad) {
    const { rows, error } = await read(change)
    t.match(error, { code: 'WECHAT_REPLY', message }, name)
    t.same(rows, [], `${name}: no row was returned`)
  }
})
