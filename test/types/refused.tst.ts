/** Code that must not compile: mistakes that cost money, or that registration would refuse. */
import Fastify from 'fastify'
import { describe, expect, test } from 'tstyche'
import notify from '../../plugins/notify.ts'
import pay from '../../plugins/pay.ts'
import type { H5Order, JsapiOrder, NativeOrder, Order, PayableOrder, RefundRequest } from '../../plugins/pay.ts'
import type { NotifyOptions } from '../../plugins/notify.ts'
import type { PayPluginOptions } from '../../plugins/pay.ts'
import jssdk from '../../plugins/jssdk.ts'
import type { WechatPayOptions } from '../../plugins/wechat-pay.ts'

const app = Fastify()
const order = { outTradeNo: 'A1', description: 'x', amount: 1 }

describe('orders', () => {
  test('an amount is a number', () => {
    expect<JsapiOrder>().type.toBeAssignableWith({ ...order, openid: 'o' })
    expect<JsapiOrder>().type.not.toBeAssignableWith({ ...order, openid: 'o', amount: '6800' })
    expect<JsapiOrder>().type.not.toBeAssignableWith({ ...order, openid: 'o', amount: 6800n })
    expect<JsapiOrder>().type.not.toBeAssignableWith({ ...order, openid: 'o', amount: undefined })
  })

  test('each way to pay has its required fields', () => {
    expect(app.wechatPay.jsapi).type.not.toBeCallableWith(order)
    expect(app.wechatPay.app).type.toBeCallableWith(order)
    expect(app.wechatPay.h5).type.not.toBeCallableWith(order)
    expect<Order>().type.toBeAssignableWith<NativeOrder>()
    expect<H5Order>().type.not.toBeAssignableWith(order)
  })

  test('expiresAt is a Date, not a string', () => {
    expect<Order>().type.not.toBeAssignableWith({ ...order, expiresAt: '2026-11-27T20:00:00+08:00' })
  })

  test('the route supports five ways', () => {
    expect<PayableOrder>().type.toBeAssignableWith({ ...order, openid: 'o' })
    expect<PayableOrder>().type.toBeAssignableWith({ ...order, way: 'native' as const })
    expect<PayableOrder>().type.toBeAssignableWith({ ...order, way: 'h5' as const })
    expect<PayableOrder>().type.not.toBeAssignableWith({ ...order, openid: 'o', way: 'jssdk' as const })
    // A JSAPI order needs an openid.
    expect<PayableOrder>().type.not.toBeAssignableWith(order)
  })
})

describe('refunds', () => {
  test('a query names the order or the payment', () => {
    const refund = { outRefundNo: 'R1', amount: 1, total: 1 }
    expect<RefundRequest>().type.toBeAssignableWith({ ...refund, outTradeNo: 'A1' })
    expect<RefundRequest>().type.toBeAssignableWith({ ...refund, transactionId: '42' })
    expect<RefundRequest>().type.not.toBeAssignableWith(refund)
    expect<RefundRequest>().type.not.toBeAssignableWith({ ...refund, outTradeNo: 'A1', amount: '1' })
  })
})

describe('options', () => {
  test('payments and notifications need a merchant', () => {
    expect<PayPluginOptions>().type.not.toBeAssignableWith({ appId: 'wx1' })
    expect<NotifyOptions>().type.not.toBeAssignableWith({ appId: 'wx1', onPayment () {} })
    expect<PayPluginOptions>().type.toBeAssignableWith({ appId: 'wx1', merchant: { mchId: '1' } })
    // @ts-expect-error
    app.register(pay, { appId: 'wx1' })
  })

  test('v2 has two signature algorithms', () => {
    expect<WechatPayOptions>().type.not.toBeAssignableWith({ appId: 'wx1', appSecret: 's', merchant: { mchId: '1', v2: { apiKey: 'k', signType: 'SHA256' as const } } })
  })

  test('misspelt names do not compile', () => {
    // @ts-expect-error
    app.register(notify, { appId: 'wx1', merchant: { mchId: '1' }, onPayement () {} })
    // @ts-expect-error
    app.register(jssdk, { appId: 'wx1', appSecret: 's', http: { timout: 1 } })
  })

  test('accounts, or one account', () => {
    // @ts-expect-error
    app.register(jssdk, { appId: 'wx1', appSecret: 's', accounts: { find: () => undefined } })
  })
})

describe('decorators', () => {
  test('an undeclared namespace does not exist', () => {
    expect(app.wechatPay).type.not.toHaveProperty('third')
    expect(app.wechatToken).type.toHaveProperty('get')
  })
})
