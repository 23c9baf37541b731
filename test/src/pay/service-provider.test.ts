/** A service provider with several sub-merchants, which never mix. */
import Fastify from 'fastify'
import t from 'tap'
import { wechatPay } from '../../../plugins/wechat-pay.ts'
import type { Payment } from '../../../plugins/pay.ts'
import { createPay } from '../../../src/pay/pay.ts'
import { ACCOUNT, OPENID, testEmulator } from '../../helpers/account.ts'
import { signV2 } from '../../../src/pay/v2/sign.ts'
import { writeXml } from '../../../src/pay/v2/write-xml.ts'
import { readXml } from '../../../src/pay/v2/xml.ts'
import { fakeServer } from '../../helpers/fake-server.ts'
import { freePort } from '../../helpers/redis.ts'

const ORDER = { outTradeNo: 'SP1234567890', description: '咖啡', amount: 100, openid: OPENID }
const SUB = { subMchId: '1900000110', subAppId: 'wxsub0000000000001' }

t.test('one sub-merchant by configuration, others by call', async t => {
  const emulator = await testEmulator(t, { subMerchants: [SUB, { subMchId: '1900000111' }] })
  const host = Fastify()
  t.teardown(() => host.close())
  const paid: Payment[] = []
  const refunds: string[] = []
  const port = await freePort()
  const notifyUrl = `http://127.0.0.1:${port}/wechat/notify`
  const merchant = { ...emulator.config.merchant, notifyUrl }
  await host.register(wechatPay, { ...emulator.config, merchant, onPayment: payment => { paid.push(payment) }, onRefund: refund => { refunds.push(`${refund.subMchId} ${refund.outRefundNo}`) }, expected: () => ({ amount: 100, openid: OPENID }) })
  await host.listen({ port, host: '127.0.0.1' })

  const own = host.wechatPay.forSubMerchant(SUB)
  const { paySign, timestamp: _twice, ...signed } = await own.jsapi(ORDER)
  t.equal(signed.appId, SUB.subAppId, 'the page belongs to the merchant\'s own account')
  t.equal(paySign, signV2(signed, emulator.account.apiKey, 'MD5'))
  const other = host.wechatPay.forSubMerchant({ subMchId: '1900000111' })
  t.equal((await other.jsapi({ ...ORDER, amount: 100 })).appId, emulator.account.appId, 'the same number, another merchant')
  const orders = (await emulator.app.inject('/_emulator/orders')).json()
  t.match(orders, [{ sub_mch_id: '1900000110', sub_openid: OPENID, openid: '' }, { sub_mch_id: '1900000111', openid: OPENID }])

  const { transaction_id: transactionId } = await emulator.pay(ORDER.outTradeNo, { subMchId: SUB.subMchId })
  await emulator.waitForNotification(delivery => delivery.accepted)
  t.match(paid, [{ transactionId, subMchId: '1900000110', subAppId: SUB.subAppId, subOpenid: OPENID, mchId: emulator.account.mchId }])
  t.match(await own.query({ outTradeNo: ORDER.outTradeNo }), { state: 'SUCCESS', subMchId: '1900000110' })
  t.match(await other.query({ outTradeNo: ORDER.outTradeNo }), { state: 'NOTPAY' })
  await own.refund({ outTradeNo: ORDER.outTradeNo, outRefundNo: 'SPR1', amount: 100, total: 100 })
  await emulator.waitForNotification(delivery => delivery.about === 'refund' && delivery.accepted)
  t.same(refunds, ['1900000110 SPR1'])
  await other.close(ORDER.outTradeNo)
  t.match(await other.query({ outTradeNo: ORDER.outTradeNo }), { state: 'CLOSED' })
  await emulator.cancel(ORDER.outTradeNo, { subMchId: SUB.subMchId })

  await t.rejects(host.wechatPay.forSubMerchant({ subMchId: '1900000999' }).jsapi(ORDER), { code: 'WECHAT_API', message: /sub_mch_id/ })
  await t.rejects(host.wechatPay.forSubMerchant({ subMchId: SUB.subMchId, subAppId: 'wxother' }).jsapi(ORDER), { code: 'WECHAT_API', message: /sub_mch_id/ })

  const fixed = Fastify()
  t.teardown(() => fixed.close())
  await fixed.register(wechatPay, { ...emulator.config, merchant: { ...merchant, subMchId: '1900000111' }, onPayment: () => t.fail('another merchant\'s') })
  const { body } = emulator.notifications()[0]!.request
  t.match(await fixed.inject({ method: 'POST', url: '/wechat/notify', payload: body, headers: { 'content-type': 'text/xml' } }), { statusCode: 403 })
})

t.test('a reply for another merchant is refused; options are checked', async t => {
  const { appId, merchant } = ACCOUNT
  const fields = { return_code: 'SUCCESS', result_code: 'SUCCESS', appid: appId, mch_id: merchant.mchId, sub_mch_id: '1900000999', prepay_id: 'wx1', trade_type: 'JSAPI' }
  const server = await fakeServer((_seen, reply) => { reply.end(writeXml({ ...fields, sign: signV2(fields, merchant.v2.apiKey, 'MD5') })) })
  t.teardown(server.close)
  const pay = createPay({ ...ACCOUNT, merchant: { ...merchant, ...SUB }, endpoints: server.endpoints })
  await t.rejects(pay.jsapi(ORDER), { code: 'WECHAT_REPLY', message: /another account or merchant/ })
  for (const [change, option] of [[{ subMchId: 'x' }, 'merchant.subMchId'], [{ subAppId: 'wx1' }, 'merchant.subAppId'], [{ subMchId: '1', subAppId: '' }, 'merchant.subAppId']] as const) {
    t.throws(() => createPay({ ...ACCOUNT, merchant: { ...merchant, ...change } }), { code: 'WECHAT_CONFIG', option })
  }
})

t.test('forSubMerchant shares keys, running calls and connections', async t => {
  const sockets = new Set<unknown>()
  const { appId, merchant } = ACCOUNT
  const server = await fakeServer(({ body }, reply, request) => {
    sockets.add(request.socket)
    const { sub_mch_id: subMchId = '' } = readXml(Buffer.from(body))
    const fields = { return_code: 'SUCCESS', result_code: 'SUCCESS', appid: appId, mch_id: merchant.mchId, sub_mch_id: subMchId, prepay_id: `wx${subMchId}`, trade_type: 'JSAPI' }
    reply.end(writeXml({ ...fields, sign: signV2(fields, merchant.v2.apiKey, 'MD5') }))
  })
  t.teardown(server.close)
  let read = 0
  const v2 = { get apiKey () { read++; return merchant.v2.apiKey } }
  const pay = createPay({ ...ACCOUNT, merchant: { ...merchant, v2, ...SUB }, endpoints: server.endpoints })
  const once = read
  const [one, other] = [() => pay.forSubMerchant({ subMchId: '1900000111' }), () => pay.forSubMerchant({ subMchId: '1900000222', subAppId: 'wxsub0000000000002' })]
  const params = await Promise.all([one().jsapi(ORDER), one().jsapi(ORDER), other().jsapi(ORDER), pay.jsapi(ORDER)])
  t.same(params.map(answer => [answer.package, answer.appId]), [['prepay_id=wx1900000111', appId], ['prepay_id=wx1900000111', appId], ['prepay_id=wx1900000222', 'wxsub0000000000002'], ['prepay_id=wx1900000110', SUB.subAppId]])
  t.equal(server.seen.length, 3, 'concurrent equal orders are one order, even as different objects')
  for (let at = 0; at < 5; at++) await one().jsapi({ ...ORDER, outTradeNo: `SP-${at}` })
  t.equal(read, once)
  t.ok(sockets.size <= 3, `${sockets.size} sockets`)
  for (const wrong of [{ subMchId: 'x' }, { subMchId: '' }, { subMchId: '1', subAppId: '' }]) t.throws(() => pay.forSubMerchant(wrong), { code: 'WECHAT_CONFIG' })
  await pay.disconnect()
})
