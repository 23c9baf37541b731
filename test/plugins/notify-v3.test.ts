/** v3 notifications at the route: verified, decrypted, dispatched; everything else is refused. */
import { createPrivateKey, randomUUID, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import Fastify from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { createV3Keys } from '../../plugins/emulator/keys/v3-keys.ts'
import { encryptResource } from '../../plugins/emulator/wechat/v3/wire.ts'
import { notify } from '../../plugins/notify.ts'
import type { NotifyOptions, Payment, Refund, WechatEvent } from '../../plugins/notify.ts'
import { createPay } from '../../src/pay/pay.ts'
import { ACCOUNT, OPENID, testEmulator } from '../helpers/account.ts'
import { payment as v2Payment, refundNotification, signed as v2Signed } from '../helpers/notification.ts'

const { appId } = ACCOUNT
const { mchId } = ACCOUNT.merchant
const keys = createV3Keys(mchId)
const pem = (key: KeyObject) => key.export({ type: key.type === 'private' ? 'pkcs8' : 'spki', format: 'pem' }) as string
const apiV3Key = 'a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6'
const v3 = { serialNo: keys.merchant.serial, privateKey: pem(keys.merchant.key), apiV3Key, publicKeyId: keys.wechat.id, publicKey: pem(keys.wechat.publicKey) }

async function host (t: Test, options: Partial<NotifyOptions> = {}) {
  const payments: Payment[] = []
  const refunds: Refund[] = []
  const events: WechatEvent[] = []
  const lines: string[] = []
  const app = Fastify({ logger: { level: 'trace', stream: { write: (line: string) => { lines.push(line) } } } })
  t.teardown(() => app.close())
  await app.register(notify, { appId, merchant: { mchId, v3 }, onPayment: payment => { payments.push(payment) }, onRefund: refund => { refunds.push(refund) }, ...options })
  app.wechatNotify.on('MCHTRANSFER.BILL.FINISHED', event => { events.push(event) })
  const send = ({ headers, body }: Message) => app.inject({ method: 'POST', url: '/wechat/notify', headers: { 'content-type': 'application/json', ...headers }, payload: body })
  return { app, payments, refunds, events, lines, send }
}

interface Message { headers: Record<string, string>, body: string }

const TRANSACTION = {
  appid: appId, mchid: mchId, out_trade_no: 'V3N123456', transaction_id: '4200000000202611231234567890', trade_type: 'JSAPI', trade_state: 'SUCCESS', bank_type: 'OTHERS', attach: 'a=1&b=2', success_time: '2026-11-23T18:20:00+08:00', payer: { openid: OPENID }, amount: { total: 100, payer_total: 90, currency: 'CNY', payer_currency: 'CNY' }
}
const REFUND = {
  mchid: mchId, transaction_id: TRANSACTION.transaction_id, out_trade_no: TRANSACTION.out_trade_no, refund_id: '50000408942018111907145868882', out_refund_no: 'V3R1', refund_status: 'SUCCESS', success_time: '2026-11-23T18:30:00+08:00', user_received_account: '支付用户零钱', amount: { total: 100, refund: 40, payer_total: 90, payer_refund: 36 }
}

interface Change { type?: string, key?: KeyObject, serial?: string, at?: number, apiKey?: string, envelope?: object, resource?: object, headers?: Record<string, string>, id?: string }

/** A notification as WeChat sends it, with changes. */
function message (content: unknown, { type = 'TRANSACTION.SUCCESS', key = keys.wechat.key, serial = keys.wechat.id, at = Date.now(), apiKey = apiV3Key, envelope = {}, resource = {}, headers = {}, id = randomUUID() }: Change = {}): Message {
  const text = typeof content === 'string' ? content : JSON.stringify(content)
  const body = JSON.stringify({ id, create_time: '2026-11-23T18:20:01+08:00', resource_type: 'encrypt-resource', event_type: type, summary: '支付成功', resource: { original_type: 'transaction', ...encryptResource(text, apiKey, 'transaction'), ...resource }, ...envelope })
  return signed(body, { key, serial, at, headers })
}

function signed (body: string, { key = keys.wechat.key, serial = keys.wechat.id, at = Date.now(), headers = {} }: Change = {}): Message {
  const [timestamp, nonce] = [String(Math.floor(at / 1000)), 'n1']
  return {
    body,
    headers: {
      'wechatpay-timestamp': timestamp,
      'wechatpay-nonce': nonce,
      'wechatpay-serial': serial,
      'wechatpay-signature': sign('sha256', Buffer.from(`${timestamp}\n${nonce}\n${body}\n`), key).toString('base64'),
      'wechatpay-signature-type': 'WECHATPAY2-SHA256-RSA2048',
      ...headers
    }
  }
}

t.test('N1 a genuine payment is typed, handled once, and answered with 204', async t => {
  const { send, payments } = await host(t)
  const genuine = message(TRANSACTION)
  for (let at = 0; at < 20; at++) t.match(await send(genuine), { statusCode: 204, body: '' })
  await Promise.all(Array.from({ length: 20 }, () => send(message(TRANSACTION))))
  t.match(payments, [{
    outTradeNo: 'V3N123456', transactionId: '4200000000202611231234567890', state: 'SUCCESS', amount: 100, payerAmount: 90, currency: 'CNY', openid: OPENID, appId, mchId, attach: 'a=1&b=2', tradeType: 'JSAPI', paidAt: new Date('2026-11-23T18:20:00+08:00'), raw: { payer: JSON.stringify({ openid: OPENID }) }
  }])
})

t.test('unusual genuine ones: pretty-printed, unknown members, coupons, no signature type', async t => {
  const { send, payments } = await host(t)
  const coupons = { ...TRANSACTION, promotion_detail: [{ coupon_id: '109519', amount: 10, goods_detail: [{ goods_id: 'x', quantity: 1, unit_price: 100 }] }], member_of_tomorrow: '咖啡☕️' }
  const pretty = message(coupons)
  t.match(await send(signed(JSON.stringify(JSON.parse(pretty.body), null, 2))), { statusCode: 204 })
  const { 'wechatpay-signature-type': _type, ...headers } = message(TRANSACTION).headers
  const other = message({ ...TRANSACTION, transaction_id: '42', attach: undefined, payer: { openid: OPENID } })
  t.match(await send({ ...other, headers: { ...headers, 'wechatpay-signature': other.headers['wechatpay-signature']!, 'wechatpay-timestamp': other.headers['wechatpay-timestamp']! } }), { statusCode: 204 })
  t.same(payments.map(({ transactionId, attach }) => [transactionId, attach]), [['4200000000202611231234567890', 'a=1&b=2'], ['42', '']])
})

t.test('forged, expired, altered, foreign or malformed: refused, and the next genuine one is accepted', async t => {
  const { send, payments, refunds, lines, app } = await host(t)
  const genuine = message(TRANSACTION)
  const refused: Array<[string, Message, number]> = [
    ['another key', message(TRANSACTION, { key: keys.merchant.key }), 401],
    ['an unknown public key', message(TRANSACTION, { serial: 'PUB_KEY_ID_0OTHER' }), 401],
    ['old', message(TRANSACTION, { at: Date.now() - 301_000 }), 401],
    ['from the future', message(TRANSACTION, { at: Date.now() + 302_000 }), 401],
    ['no signature', { ...genuine, headers: {} }, 401],
    ['an empty signature', { ...genuine, headers: { ...genuine.headers, 'wechatpay-signature': '' } }, 401],
    ['another algorithm', { ...genuine, headers: { ...genuine.headers, 'wechatpay-signature-type': 'NONE' } }, 401],
    ['another body', { ...genuine, body: genuine.body.replace('支付成功', '支付失败') }, 401],
    ['a serial with a path', { ...genuine, headers: { ...genuine.headers, 'wechatpay-serial': '../x' } }, 401],
    ['another APIv3 key', message(TRANSACTION, { apiKey: 'z1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6' }), 401],
    ['another merchant', message({ ...TRANSACTION, mchid: '1900000110' }), 403],
    ['another account', message({ ...TRANSACTION, appid: 'wx9' }), 403],
    ['another provider', message({ ...TRANSACTION, mchid: undefined, appid: undefined, sp_mchid: '1', sp_appid: appId }), 403],
    ['not paid', message({ ...TRANSACTION, trade_state: 'NOTPAY' }), 400],
    ['no amount', message({ ...TRANSACTION, amount: undefined }), 400],
    ['an amount with a fraction', message({ ...TRANSACTION, amount: { total: 0.5 } }), 400],
    ['an amount as text', message({ ...TRANSACTION, amount: { total: '100' } }), 400],
    ['no time', message({ ...TRANSACTION, success_time: 'yesterday' }), 400],
    ['a number for an id', message({ ...TRANSACTION, transaction_id: 42 }), 400],
    ['another cipher', message(TRANSACTION, { resource: { algorithm: 'AES_256_CBC' } }), 400],
    ['no ciphertext', message(TRANSACTION, { resource: { ciphertext: '' } }), 400],
    ['a short tag', message(TRANSACTION, { resource: { ciphertext: 'AAAA' } }), 401],
    ['other associated data', message(TRANSACTION, { resource: { associated_data: 'other' } }), 401],
    ['not encrypted', message(TRANSACTION, { envelope: { resource_type: 'plain' } }), 400],
    ['encrypted content that is not JSON', message('hello'), 400],
    ['an array inside is nobody\'s', message('[]'), 403],
    ['not JSON', signed('hello'), 400],
    ['null', signed('null'), 400],
    ['an answer to a call', signed(JSON.stringify(TRANSACTION)), 400],
    ['a refund of another merchant', message({ ...REFUND, mchid: '1' }, { type: 'REFUND.SUCCESS' }), 403],
    ['a refund in progress', message({ ...REFUND, refund_status: 'PROCESSING' }, { type: 'REFUND.SUCCESS' }), 400],
    ['a combined order of other merchants', message({ combine_appid: appId, combine_mchid: '1', combine_out_trade_no: 'C1', sub_orders: [{ ...TRANSACTION, amount: { total_amount: 1, payer_amount: 1 } }], combine_payer_info: { openid: OPENID } }), 403],
    ['an empty combined order', message({ combine_appid: appId, combine_mchid: mchId, combine_out_trade_no: 'C1', sub_orders: [] }), 400]
  ]
  for (const [name, forged, statusCode] of refused) {
    const reply = await send(forged)
    t.equal(reply.statusCode, statusCode, name)
    if (forged.headers['wechatpay-signature'] !== undefined) t.same(reply.json(), { code: 'FAIL', message: 'failed' }, `${name}: no details`)
  }
  const doubled = await app.inject({ method: 'POST', url: '/wechat/notify', payload: genuine.body, headers: { ...genuine.headers, 'wechatpay-nonce': ['n1', 'n1'] as never } })
  t.equal(doubled.statusCode, 401, 'a duplicate header')
  t.same([payments.length, refunds.length], [0, 0])
  t.match(await send(genuine), { statusCode: 204 })
  t.equal(payments.length, 1)
  t.notMatch(lines.join(''), new RegExp(`${apiV3Key}|PRIVATE KEY`))
})

t.test('WeChat\'s signature probe is refused without a warning', async t => {
  const { send, lines, payments } = await host(t)
  const genuine = message(TRANSACTION)
  t.match(await send({ ...genuine, headers: { ...genuine.headers, 'wechatpay-signature': 'WECHATPAY/SIGNTEST/AAAA' } }), { statusCode: 401 })
  t.equal(lines.filter(line => JSON.parse(line).level >= 40).length, 0, 'no warning')
  t.equal(payments.length, 0)
})

/** Shapes of the current and of older pages (TheNorthMemory/wechatpay.js.org webhook/v3), and the one of January 2025 on the wire (witnesses, "Profit-sharing notice"). */
const SHARED = {
  mchid: mchId, transaction_id: TRANSACTION.transaction_id, order_id: '30082026112312345678901234', out_order_no: 'P20150806125346', receiver: { type: 'MERCHANT_ID', account: '1900000110', amount: 888, description: '运费/交易分账/及时奖励' }, success_time: '2026-11-23T18:20:00+08:00'
}

t.test('N21 anything but orders and refunds is an event, for any event_type', async t => {
  const { app, send, payments, refunds, lines } = await host(t)
  const events: Array<[string, WechatEvent]> = []
  for (const name of ['profitsharing', 'TRANSACTION.SUCCESS', 'COMPLAINT.CREATE', 'mch_payment', 'TRANSACTION.PAY_BACK', 'REFUND.SUCCESS']) app.wechatNotify.on(name, event => { events.push([name, event]) })
  const dispatchedTo = async (content: object, change: Change = {}) => {
    events.length = 0
    const reply = await send(message(content, change))
    return reply.statusCode === 204 ? events.map(([name]) => name).join() : reply.statusCode
  }
  const provider = { ...SHARED, mchid: undefined, sp_mchid: mchId, sub_mchid: '1900000110' }
  for (const type of ['TRANSACTION.SUCCESS', 'PROFITSHARING', 'PROFITSHARING.SUCCESS', 'PROFITSHARING.RETURN']) {
    for (const content of [SHARED, provider]) t.equal(await dispatchedTo(content, { type, envelope: { summary: '分账' } }), 'profitsharing', type)
  }
  t.match(events[0]?.[1], { eventType: 'PROFITSHARING.RETURN', originalType: 'transaction', summary: '分账', topic: 'profitsharing', resource: { receiver: { amount: 888 } } })
  // The notification goes to the receiver, and names the sharing merchant.
  const received = { ...SHARED, mchid: '1900000110', receiver: { ...SHARED.receiver, account: mchId } }
  t.equal(await dispatchedTo(received), 'profitsharing')
  t.equal(await dispatchedTo({ ...received, receiver: { ...received.receiver, type: 'PERSONAL_OPENID' } }), 403, 'an openid is not a merchant number')
  t.equal(await dispatchedTo({ ...received, order_id: undefined }), 403, 'a receiver in another message type does not make it ours')

  // A deduction, a complaint, a transfer, an order of another product.
  t.equal(await dispatchedTo({ appid: appId, mchid: mchId, contract_id: 'C1', plan_id: 12535, deduct_state: 'SUCCESS' }), 'TRANSACTION.SUCCESS')
  t.equal(await dispatchedTo({ complaint_id: '200201820200101080076610000', action_type: 'CREATE_COMPLAINT', out_trade_no: 'A1', transaction_id: '42' }, { type: 'COMPLAINT.CREATE' }), 'COMPLAINT.CREATE')
  t.equal(await dispatchedTo({ mch_id: mchId, mchid: mchId, out_bill_no: 'T1', state: 'SUCCESS' }, { type: 'SOMETHING.NEW', resource: { original_type: 'mch_payment' } }), 'mch_payment')
  t.equal(await dispatchedTo({ appid: appId, sp_mchid: mchId, sub_mchid: '1', out_trade_no: 'A1', trade_state: 'PAY_BACK' }, { type: 'TRANSACTION.PAY_BACK' }), 'TRANSACTION.PAY_BACK')
  t.equal(await dispatchedTo({ refund_id: '1', mchid: mchId }, { type: 'REFUND.SUCCESS' }), 'REFUND.SUCCESS')
  t.equal(await dispatchedTo({}, { type: 'NO.HANDLER' }), '')
  t.match(lines.join(), /NO\.HANDLER/)
  t.same([payments.length, refunds.length], [0, 0])

  // Every id in it must match.
  for (const content of [{ mchid: '1' }, { mch_id: '1' }, { sp_mchid: '1' }, { combine_mchid: '1' }, { appid: 'wx9' }, { sp_appid: 'wx9' }, { combine_appid: 'wx9' }, { ...SHARED, mchid: '1' }, { ...SHARED, mchid: { toString: mchId } }]) {
    t.equal(await dispatchedTo(content, { type: 'COMPLAINT.CREATE' }), 403, JSON.stringify(content))
  }
  const single = await host(t, { merchant: { mchId, subMchId: '1900000110', v3 } })
  single.app.wechatNotify.on('profitsharing', () => {})
  t.match(await single.send(message(provider)), { statusCode: 204 })
  for (const id of ['sub_mchid', 'sub_mch_id']) t.match(await single.send(message({ ...provider, [id]: '1900000111' })), { statusCode: 403 }, id)

  // An order is recognized by its content, too.
  t.equal(await dispatchedTo({ ...TRANSACTION, out_trade_no: 'IND1', transaction_id: '4201' }, { type: 'TRANSACTION.INDUSTRY_SUCCESS' }), '')
  t.match(payments, [{ outTradeNo: 'IND1' }])
  for (const content of [{ ...TRANSACTION, mchid: '1' }, { ...TRANSACTION, appid: 'wx9' }, { ...TRANSACTION, combine_mchid: '1' }]) t.equal(await dispatchedTo(content, { type: 'TRANSACTION.INDUSTRY_SUCCESS' }), 403)
  t.equal(payments.length, 1)
  t.throws(() => app.wechatNotify.on('', () => {}), { code: 'WECHAT_CONFIG' })
})

t.test('N22 __proto__ in the decrypted content is refused', async t => {
  const { send, payments } = await host(t)
  for (const text of [JSON.stringify(TRANSACTION).replace('{', '{"__proto__":{"a":1},'), JSON.stringify(TRANSACTION).replace('"payer":{', '"payer":{"\\u005f_proto__":{},')]) t.match(await send(message(text)), { statusCode: 400 })
  t.equal(payments.length, 0)
  t.match(await send(message(TRANSACTION)), { statusCode: 204 })
  t.equal(payments.length, 1)
})

t.test('a number beyond 2^53 reaches the handler unchanged', async t => {
  const { app, send } = await host(t)
  const events: unknown[] = []
  app.wechatNotify.on('X', ({ resource }) => { events.push(resource.n) })
  t.match(await send(message('{"n":3512345678901234567}', { type: 'X' })), { statusCode: 204 })
  t.strictSame(events, ['3512345678901234567'])
})

t.test('N7 refunds, events, combined orders: each goes to its handler once', async t => {
  const { app, send, payments, refunds, events, lines } = await host(t)
  for (const [refund_status, type] of [['SUCCESS', 'REFUND.SUCCESS'], ['ABNORMAL', 'REFUND.ABNORMAL'], ['CLOSED', 'REFUND.CLOSED']]) {
    for (let at = 0; at < 2; at++) t.match(await send(message({ ...REFUND, refund_status }, { type: type! })), { statusCode: 204 })
  }
  t.same(refunds.map(({ state }) => state), ['SUCCESS', 'ABNORMAL', 'CLOSED'])
  t.match(refunds[0], { amount: 40, total: 100, payerAmount: 36, receivedBy: '支付用户零钱', succeededAt: new Date('2026-11-23T18:30:00+08:00') })
  const event = message({ out_bill_no: 'TB1', state: 'SUCCESS' }, { type: 'MCHTRANSFER.BILL.FINISHED', id: 'EV-1' })
  for (let at = 0; at < 2; at++) t.match(await send(event), { statusCode: 204 })
  t.match(events, [{ eventId: 'EV-1', eventType: 'MCHTRANSFER.BILL.FINISHED', resource: { out_bill_no: 'TB1' } }])
  t.match(await send(message({ a: 1 }, { type: 'COUPON.USE' })), { statusCode: 204 })
  t.match(lines.join(''), /no handler for this event/)
  const part = (number: string) => ({ mchid: mchId, out_trade_no: `PART-${number}`, transaction_id: `4${number}`, trade_type: 'JSAPI', trade_state: 'SUCCESS', attach: number, success_time: TRANSACTION.success_time, amount: { total_amount: 50, payer_amount: 50, currency: 'CNY' } })
  const combined = { combine_appid: appId, combine_mchid: mchId, combine_out_trade_no: 'C1', combine_payer_info: { openid: OPENID }, sub_orders: [part('1'), part('2')] }
  for (let at = 0; at < 2; at++) t.match(await send(message(combined)), { statusCode: 204 })
  t.match(payments, [{ outTradeNo: 'PART-1', amount: 50, openid: OPENID }, { outTradeNo: 'PART-2', attach: '2' }])
  t.throws(() => app.wechatNotify.on('X', 'no function' as never), { code: 'WECHAT_CONFIG' })
})

t.test('N18 both versions on one route, distinguished by verification', async t => {
  const { send, payments, refunds, app } = await host(t, { merchant: { ...ACCOUNT.merchant, v3 } })
  const document = v2Signed(v2Payment({ transaction_id: '422' }))
  t.match(await send({ body: document, headers: { 'content-type': 'text/xml' } }), { statusCode: 200, body: /SUCCESS/ })
  t.match(await send(message(TRANSACTION)), { statusCode: 204 })
  t.match(await send({ body: v2Signed(v2Payment({ transaction_id: '423' })), headers: message(TRANSACTION).headers }), { statusCode: 200 }, 'v2\'s document in v3\'s headers')
  t.match(await send({ body: refundNotification(), headers: { 'content-type': 'text/xml' } }), { statusCode: 200 }, 'a v2 document for the refund of a v3 order')
  t.match(await send({ body: message(TRANSACTION).body, headers: {} }), { statusCode: 400 }, 'v3\'s body without its headers')
  t.match(await send({ body: v2Signed(v2Payment(), 'x'.repeat(31) + 'y'), headers: message(TRANSACTION).headers }), { statusCode: 401 }, 'neither')
  t.same(payments.map(({ transactionId }) => transactionId), ['422', TRANSACTION.transaction_id, '423'])
  t.equal(refunds.length, 1)
  t.match(await app.inject({ method: 'POST', url: '/wechat/notify', headers: { 'wechatpay-signature': 'x' } }), { statusCode: 400 }, 'no body')
  const v3Only = await host(t)
  t.match(await v3Only.send({ body: document, headers: {} }), { statusCode: 401 }, 'v2 is not configured')
})

t.test('E1 the emulator\'s notifications: transfers, combined orders, probes, failing handlers', async t => {
  const emulator = await testEmulator(t)
  const app = Fastify()
  t.teardown(() => app.close())
  const events: string[] = []
  let failures = 2
  await app.register(notify, {
    ...emulator.v3Config,
    onPayment (payment) {
      if (failures-- > 0) throw Object.assign(new Error('database away'), { statusCode: 204 })
      events.push(`paid ${payment.outTradeNo}`)
    }
  })
  app.wechatNotify.on('MCHTRANSFER.BILL.FINISHED', ({ resource }) => { events.push(`transferred ${resource.out_bill_no}`) })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const notifyUrl = `${app.listeningOrigin}/wechat/notify`
  const pay = createPay({ ...emulator.v3Config, merchant: { ...emulator.v3Config.merchant, notifyUrl } })
  await pay.v3.combine.jsapi({ combineOutTradeNo: 'CB00001', openid: OPENID, parts: [1, 2].map(at => ({ outTradeNo: `CP0000${at}`, description: '咖啡', amount: 100, attach: 'a' })) })
  await emulator.payCombined('CB00001')
  t.match(await emulator.waitForNotification(delivery => delivery.accepted), { attempt: 3 })
  await pay.v3.transfers.create({ outBillNo: 'TB00001', sceneId: '1000', openid: OPENID, amount: 100, remark: '奖励', reports: [{ info_type: '活动名称', info_content: '新会员' }, { info_type: '奖励说明', info_content: '注册奖励' }], notifyUrl })
  await emulator.confirmTransfer('TB00001')
  await emulator.waitForNotification(delivery => delivery.about === 'event' && delivery.accepted)
  t.same(events, ['paid CP00001', 'paid CP00002', 'transferred TB00001'])
  t.match(await emulator.probe(notifyUrl), { about: 'probe', reply: { status: 401 }, accepted: false })
  await t.rejects(emulator.confirmTransfer('TB00001'), { message: /no such/ })
  t.ok(createPrivateKey(emulator.v3Config.merchant.v3.privateKey))
})
