/** The same orders, payments, refunds, bills and notifications with v2 and v3: migrating only changes the configuration. */
import Fastify from 'fastify'
import t from 'tap'
import type { Test } from 'tap'
import { wechatPay } from '../../../plugins/wechat-pay.ts'
import type { Payment, Refund } from '../../../plugins/notify.ts'
import { toChinaDay } from '../../../src/pay/china-time.ts'
import { createPay } from '../../../src/pay/pay.ts'
import { OPENID, testEmulator } from '../../helpers/account.ts'
import { freePort } from '../../helpers/redis.ts'

const DAY = 86_400_000
const ORDER = { outTradeNo: 'Z1234567890', description: '云南咖啡 ]]></body>"\\n', amount: 6800, openid: OPENID, attach: 'a=1&b=<2>"' }

async function shop (t: Test, version: 'v2' | 'v3') {
  const emulator = await testEmulator(t, { refundDelay: 3600, subMerchants: [{ subMchId: '1900000110' }] })
  const app = Fastify()
  t.teardown(() => app.close())
  const port = await freePort()
  const payments: Payment[] = []
  const refunds: Refund[] = []
  await app.register(wechatPay, {
    ...emulator.bothConfig,
    version,
    merchant: { ...emulator.bothConfig.merchant, notifyUrl: `http://127.0.0.1:${port}/wechat/notify` },
    order: request => request.body as never,
    expected: outTradeNo => ({ amount: outTradeNo === 'Z-mismatch' ? 1 : 6800, openid: OPENID }),
    onPayment: payment => { payments.push(payment) },
    onRefund: refund => { refunds.push(refund) }
  })
  await app.listen({ port, host: '127.0.0.1' })
  return { emulator, app, pay: app.wechatPay, payments, refunds }
}

for (const version of ['v2', 'v3'] as const) {
  t.test(version, async t => {
    t.test('from the order to the handled notification', async t => {
      const { emulator, app, pay, payments } = await shop(t, version)
      const params = (await app.inject({ method: 'POST', url: '/wechat/pay', payload: ORDER })).json()
      t.match(params, { appId: emulator.account.appId, package: /^prepay_id=wx/, timeStamp: params.timestamp, signType: version === 'v3' ? 'RSA' : 'MD5' })
      t.match((await emulator.app.inject({ method: 'POST', url: '/_emulator/bridge/getBrandWCPayRequest', payload: params })).json(), { cashier: /./ })
      t.match((await emulator.app.inject({ method: 'POST', url: '/_emulator/bridge/getBrandWCPayRequest', payload: { ...params, package: params.package.replace('prepay_id=', '') } })).json(), { err_desc: /缺少参数/ }, 'a bare prepay_id')
      t.match((await emulator.app.inject({ method: 'POST', url: '/_emulator/bridge/getBrandWCPayRequest', payload: { ...params, nonceStr: 'x' } })).json(), { err_desc: '支付验证签名失败' })
      const again = await pay.jsapi(ORDER)
      t.equal(again.package, params.package, 'the same order, the same prepay_id')
      t.match(emulator.order(ORDER.outTradeNo), { body: ORDER.description, attach: ORDER.attach, total_fee: 6800 }, 'P3 arrived unchanged')
      t.match(await pay.query({ outTradeNo: ORDER.outTradeNo }), { state: 'NOTPAY', outTradeNo: ORDER.outTradeNo, appId: emulator.account.appId, mchId: emulator.account.mchId })

      const { transaction_id: transactionId } = await emulator.pay(ORDER.outTradeNo)
      const delivery = await emulator.waitForNotification(delivery => delivery.accepted)
      const paid = { outTradeNo: ORDER.outTradeNo, transactionId, state: 'SUCCESS', amount: 6800, payerAmount: 6800, currency: 'CNY', openid: OPENID, appId: emulator.account.appId, mchId: emulator.account.mchId, attach: ORDER.attach, tradeType: 'JSAPI' }
      t.match(payments, [paid])
      t.ok(Math.abs(payments[0]!.paidAt.getTime() - Date.now()) < 5000)
      for (const value of Object.values(payments[0]!.raw)) t.type(value, 'string')
      t.match(await pay.query({ outTradeNo: ORDER.outTradeNo }), paid)
      t.match(await pay.query({ transactionId }), paid)
      t.match(await emulator.resend(delivery.id), { accepted: true })
      t.equal(payments.length, 1, 'N1 once')
      await t.rejects(pay.jsapi(ORDER), { code: 'WECHAT_API', wechatCode: 'ORDERPAID', statusCode: 409, fault: 'caller' })
      await t.rejects(pay.close(ORDER.outTradeNo), { code: 'WECHAT_API', wechatCode: 'ORDERPAID', statusCode: 409 })
    })

    t.test('a payment that differs from what the shop expects', async t => {
      const { emulator, pay, payments } = await shop(t, version)
      await pay.jsapi({ ...ORDER, outTradeNo: 'Z-mismatch' })
      await emulator.pay('Z-mismatch')
      t.match(await emulator.waitForNotification(), { accepted: false, reply: { status: 409 } })
      t.equal(payments.length, 0)
    })

    t.test('closing, reused numbers, unknown numbers', async t => {
      const { pay } = await shop(t, version)
      await pay.jsapi(ORDER)
      await t.rejects(pay.jsapi({ ...ORDER, amount: 1 }), { code: 'WECHAT_API', wechatCode: 'INVALID_REQUEST', statusCode: 409 })
      await pay.close(ORDER.outTradeNo)
      await pay.close(ORDER.outTradeNo)
      t.match(await pay.query({ outTradeNo: ORDER.outTradeNo }), { state: 'CLOSED' })
      await t.rejects(pay.jsapi(ORDER), { code: 'WECHAT_API', statusCode: 409 })
      await t.rejects(pay.query({ outTradeNo: 'unknown1' }), { code: 'WECHAT_API', statusCode: 404 })
      await t.rejects(pay.queryRefund({ outRefundNo: 'unknown1' }), { code: 'WECHAT_API', statusCode: 404 })
      const expiring = { ...ORDER, outTradeNo: 'Z-expires', expiresAt: new Date(Date.now() + 60_000) }
      await pay.jsapi(expiring)
    })

    t.test('all other ways to pay', async t => {
      const { emulator, pay } = await shop(t, version)
      const { openid: _nobody, ...order } = ORDER
      const mini = await pay.miniProgram({ ...ORDER, outTradeNo: 'Z-mini' })
      t.same(Object.keys(mini).sort(), ['nonceStr', 'package', 'paySign', 'signType', 'timeStamp'])
      const params = await pay.app({ ...order, outTradeNo: 'Z-app01' })
      const bridge = async (payload: object) => (await emulator.app.inject({ method: 'POST', url: '/_emulator/bridge/sendPayReq', payload })).json()
      t.match(await bridge(params), { errCode: 0, cashier: /./ })
      t.match(await bridge({ ...params, timestamp: '1' }), { errCode: -1, errStr: '支付验证签名失败' })
      t.match(await bridge({ ...params, prepayid: 'none' }), { errCode: -1 })
      const { codeUrl } = await pay.native({ ...order, outTradeNo: 'Z-native' })
      t.match(await emulator.scan(codeUrl), { out_trade_no: 'Z-native' })
      const { h5Url } = await pay.h5({ ...order, outTradeNo: 'Z-h5-01', clientIp: '9.9.9.9', redirectUrl: 'https://shop.example.com/' })
      t.match(await (await fetch(h5Url.replace(/^https:\/\/[^/]+/, emulator.origin), { headers: { referer: 'https://shop.example.com/' } })).text(), /¥68\.00/)
      for (const scene of [{ type: 'IOS', appName: '店', bundleId: 'com.example' }, { type: 'Wap', wapUrl: 'https://shop.example.com', wapName: '店' }] as const) {
        t.match(await pay.h5({ ...order, outTradeNo: `Z-h5-${scene.type}`, clientIp: '9.9.9.9', scene }), { h5Url: /^http/ })
      }
      t.match(await pay.micropay({ ...order, outTradeNo: 'Z-code', authCode: await emulator.authCode() }), { state: 'SUCCESS', amount: 6800, tradeType: 'MICROPAY' })
    })

    t.test('P14 refunds: partial, idempotent, each final state notified', async t => {
      const { emulator, pay, refunds } = await shop(t, version)
      await pay.jsapi(ORDER)
      const { transaction_id: transactionId } = await emulator.pay(ORDER.outTradeNo)
      const part = { outTradeNo: ORDER.outTradeNo, outRefundNo: 'ZR-1', amount: 800, total: 6800, reason: '缺货' }
      const [taken, again] = await Promise.all([pay.refund(part), pay.refund(part)])
      t.match(taken, { outRefundNo: 'ZR-1', outTradeNo: ORDER.outTradeNo, transactionId, state: 'PROCESSING', amount: 800, total: 6800, mchId: emulator.account.mchId })
      t.equal(again.refundId, taken.refundId)
      await pay.refund({ transactionId, outRefundNo: 'ZR-2', amount: 100, total: 6800, fromBalance: true })
      await pay.refund({ transactionId, outRefundNo: 'ZR-3', amount: 100, total: 6800 })
      await t.rejects(pay.refund({ ...part, outRefundNo: 'ZR-4', amount: 6800 }), { code: 'WECHAT_API', wechatCode: 'INVALID_REQUEST' })
      await emulator.settleRefund('ZR-1')
      await emulator.settleRefund('ZR-2', 'CHANGE')
      await emulator.settleRefund('ZR-3', 'REFUNDCLOSE')
      for (const number of ['ZR-1', 'ZR-2', 'ZR-3']) await emulator.waitForNotification(delivery => delivery.out_refund_no === number && delivery.accepted)
      t.same(refunds.map(({ outRefundNo, state, amount, total }) => [outRefundNo, state, amount, total]).sort(), [['ZR-1', 'SUCCESS', 800, 6800], ['ZR-2', 'ABNORMAL', 100, 6800], ['ZR-3', 'CLOSED', 100, 6800]])
      const done = await pay.queryRefund({ outRefundNo: 'ZR-1' })
      t.match(done, { state: 'SUCCESS', receivedBy: '支付用户零钱', refundId: taken.refundId })
      t.ok(Math.abs(done.succeededAt!.getTime() - Date.now()) < 5000)
      t.match(await pay.query({ outTradeNo: ORDER.outTradeNo }), { state: 'REFUND', amount: 6800 })
      await t.rejects(pay.refund({ ...part, amount: 900 }), { code: 'WECHAT_INPUT', field: 'outRefundNo' })
      t.equal(emulator.refunds().length, 3)
    })

    t.test('P9 a lost answer: unknown outcome; repeating the number gives the same order and the same refund', async t => {
      const { emulator, pay } = await shop(t, version)
      await emulator.fault({ path: version === 'v2' ? '/pay/unifiedorder' : '/v3/pay/transactions', kind: 'reset', when: 'after', times: 2 })
      await t.rejects(pay.jsapi(ORDER), { code: 'WECHAT_NETWORK', outcome: 'unknown' })
      await pay.jsapi(ORDER)
      t.equal(emulator.order(ORDER.outTradeNo)!.history.length, 1)
      await emulator.pay(ORDER.outTradeNo)
      await emulator.fault({ path: version === 'v2' ? '/secapi/pay/refund' : '/v3/refund/domestic/refunds', kind: '502', when: 'after', times: 2 })
      const refund = { outTradeNo: ORDER.outTradeNo, outRefundNo: 'ZR-1', amount: 800, total: 6800 }
      await t.rejects(pay.refund(refund), { code: 'WECHAT_NETWORK', outcome: 'unknown' })
      await pay.refund(refund)
      t.equal(emulator.refunds().length, 1)
      await emulator.fault({ kind: version === 'v2' ? 'SYSTEMERROR' : 'SYSTEM_ERROR' })
      t.match(await pay.query({ outTradeNo: ORDER.outTradeNo }), { state: 'REFUND' }, 'a system error is retried with the same call')
    })

    t.test('bills', async t => {
      // Shop and WeChat start two days ago and return together, because v3 signatures are valid for five minutes.
      const now = Date.now
      t.teardown(() => { Date.now = now })
      let ago = 2 * DAY
      Date.now = () => now() - ago
      const emulator = await testEmulator(t, { now: () => now() - ago })
      const pay = createPay({ ...emulator.bothConfig, version, merchant: { ...emulator.bothConfig.merchant, notifyUrl: 'http://127.0.0.1:1/n' } })
      await pay.jsapi(ORDER)
      await emulator.pay(ORDER.outTradeNo)
      await pay.refund({ outTradeNo: ORDER.outTradeNo, outRefundNo: 'ZR-1', amount: 29, total: 6800 })
      const day = toChinaDay(new Date(now() - ago))
      ago = 0
      const rows = []
      const bill = pay.tradeBill({ date: day })
      for await (const row of bill) rows.push(row)
      t.match(rows, [{ outTradeNo: ORDER.outTradeNo, amount: 6800, attach: ORDER.attach, state: 'SUCCESS' }, { state: 'REFUND', refund: { outRefundNo: 'ZR-1', amount: 29 } }])
      t.match(bill.summary, { 申请退款总金额: '0.29' })
      const moves = []
      for await (const row of pay.fundFlowBill({ date: day })) moves.push(row.amount)
      t.same(moves.sort(), [29, 6800])
      await t.rejects(pay.tradeBill({ date: '2020-01-01' })[Symbol.asyncIterator]().next(), { code: 'WECHAT_API', statusCode: 404 })
    })

    t.test('a service provider\'s sub-merchants', async t => {
      const { emulator, pay, payments } = await shop(t, version)
      const sub = pay.forSubMerchant({ subMchId: '1900000110' })
      await sub.jsapi(ORDER)
      await emulator.pay(ORDER.outTradeNo, { subMchId: '1900000110' })
      await emulator.waitForNotification(delivery => delivery.accepted)
      t.match(payments, [{ subMchId: '1900000110', mchId: emulator.account.mchId, openid: OPENID }])
      t.match(await sub.query({ outTradeNo: ORDER.outTradeNo }), { state: 'SUCCESS', subMchId: '1900000110' })
      await t.rejects(pay.query({ outTradeNo: ORDER.outTradeNo }), { code: 'WECHAT_API', statusCode: 404 })
      t.match(await sub.refund({ outTradeNo: ORDER.outTradeNo, outRefundNo: 'ZR-1', amount: 1, total: 6800 }), { state: 'PROCESSING' })
      t.match(await sub.queryRefund({ outRefundNo: 'ZR-1' }), { state: 'PROCESSING' })
      await sub.jsapi({ ...ORDER, outTradeNo: 'Z-close1' })
      await sub.close('Z-close1')
    })
  })
}

t.test('migration: v2 orders are still open while new ones use v3', async t => {
  const old = await shop(t, 'v2')
  const { emulator } = old
  await old.pay.jsapi({ ...ORDER, outTradeNo: 'OLD-1' })
  await old.pay.jsapi({ ...ORDER, outTradeNo: 'o@2' })
  await old.pay.jsapi({ ...ORDER, outTradeNo: 'OLD-33' })
  await emulator.pay('OLD-33')
  await emulator.waitForNotification(delivery => delivery.accepted)
  await old.app.close()

  // Restart the shop with `version` changed, on the same origin and with the same records.
  const app = Fastify()
  t.teardown(() => app.close())
  const { notifyUrl } = { notifyUrl: emulator.order('OLD-1')!.notify_url }
  const payments: Payment[] = []
  const refunds: Refund[] = []
  await app.register(wechatPay, { ...emulator.bothConfig, merchant: { ...emulator.bothConfig.merchant, notifyUrl }, onPayment: payment => { payments.push(payment) }, onRefund: refund => { refunds.push(refund) } })
  await app.listen({ port: Number(new URL(notifyUrl).port), host: '127.0.0.1' })
  t.equal((await app.wechatPay.jsapi({ ...ORDER, outTradeNo: 'NEW-01' })).signType, 'RSA')
  await emulator.pay('NEW-01')
  await emulator.pay('OLD-1')
  for (const number of ['NEW-01', 'OLD-1']) await emulator.waitForNotification(delivery => delivery.out_trade_no === number && delivery.accepted)
  t.same(payments.map(({ outTradeNo, amount, tradeType }) => [outTradeNo, amount, tradeType]).sort(), [['NEW-01', 6800, 'JSAPI'], ['OLD-1', 6800, 'JSAPI']], 'the same notifications in both versions')
  t.match(await app.wechatPay.query({ outTradeNo: 'OLD-33' }), { state: 'SUCCESS' })
  t.match(await app.wechatPay.query({ outTradeNo: 'o@2' }), { state: 'NOTPAY' }, 'a number that only v2 accepts')
  await app.wechatPay.close('o@2')
  await app.wechatPay.refund({ outTradeNo: 'OLD-33', outRefundNo: 'MR-1', amount: 6800, total: 6800 })
  await emulator.settleRefund('MR-1')
  await emulator.waitForNotification(delivery => delivery.about === 'refund' && delivery.accepted)
  t.match(refunds, [{ outRefundNo: 'MR-1', state: 'SUCCESS' }])
  await t.rejects(app.wechatPay.query({ outTradeNo: 'a/b' }), { code: 'WECHAT_INPUT', field: 'outTradeNo' })
})
