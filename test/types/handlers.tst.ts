/** Type inference for handlers inside `app.register`. */
import Fastify from 'fastify'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { describe, expect, test } from 'tstyche'
import notify from '../../plugins/notify.ts'
import type { Expected, Notification, NotifyContext, Payment, Refund } from '../../plugins/notify.ts'
import type { WechatUser } from '../../plugins/oauth.ts'
import type { JsapiOrder, Merchant } from '../../plugins/pay.ts'
import reconcile from '../../plugins/reconcile.ts'
import type { ReconcileReport } from '../../plugins/reconcile.ts'
import wechatPay from '../../plugins/wechat-pay.ts'
import type { WechatAccount, WechatAccountOptions } from '../../plugins/wechat-pay.ts'

declare module '../../plugins/namespaces.ts' {
  // As users do for 'fastify-wechat-pay'. Optional, because other tests in this repository have accounts without it.
  interface WechatAccountOptions { shopName?: string }
}

const app = Fastify()
declare const order: JsapiOrder
declare const merchant: Merchant
declare const find: (id: string) => Promise<WechatAccountOptions | undefined>

describe('one account', () => {
  test('wechatPay', () => {
    app.register(wechatPay, {
      appId: 'wx1',
      appSecret: 's',
      merchant,
      onLogin (user, request, reply) {
        expect(user).type.toBe<WechatUser>()
        expect(user.openid).type.toBe<string>()
        expect(request).type.toBe<FastifyRequest>()
        expect(reply).type.toBe<FastifyReply>()
      },
      order (request) {
        expect(request).type.toBe<FastifyRequest>()
        expect(request.wechatAccount).type.toBe<WechatAccount>()
        return order
      },
      expected (outTradeNo) {
        expect(outTradeNo).type.toBe<string>()
        return { amount: 1 }
      },
      onPayment (payment, context) {
        expect(payment).type.toBe<Payment>()
        expect(payment.amount).type.toBe<number>()
        expect(payment.paidAt).type.toBe<Date>()
        expect(payment.state).type.toBe<'SUCCESS' | 'REFUND'>()
        expect(payment.subMchId).type.toBe<string | undefined>()
        expect(context).type.toBe<NotifyContext>()
        expect(context.idempotencyKey).type.toBe<string>()
        expect(context.source).type.toBe<'notification' | 'query'>()
        expect(context.request).type.toBe<FastifyRequest | undefined>()
      },
      onRefund (refund, { idempotencyKey }) {
        expect(refund).type.toBe<Refund>()
        expect(idempotencyKey).type.toBe<string>()
      },
      onMismatch (payment, expected) {
        expect(payment).type.toBe<Payment>()
        expect(expected).type.toBe<Expected | undefined>()
      }
    })
  })

  test('notify and reconcile alone', () => {
    app.register(notify, {
      appId: 'wx1',
      merchant,
      onPayment (payment) { expect(payment).type.toBe<Payment>() }
    })
    app.register(reconcile, {
      appId: 'wx1',
      merchant,
      onPayment (payment) { expect(payment).type.toBe<Payment>() },
      unfinished: () => [{ outTradeNo: 'A1' }],
      onReport (report) { expect(report).type.toBe<ReconcileReport>() }
    })
  })
})

describe('accounts that come and go', () => {
  test('handlers and routes know the account and its augmented options', () => {
    app.register(wechatPay, {
      accounts: { find, of: request => { expect(request).type.toBe<FastifyRequest>(); return 'a' } },
      order (request) {
        expect(request.wechatAccount.options).type.toBe<WechatAccountOptions>()
        expect(request.wechatAccount.options.shopName).type.toBe<string | undefined>()
        return order
      },
      expected (_outTradeNo, { account }) {
        expect(account.options.shopName).type.toBe<string | undefined>()
        return undefined
      },
      onPayment (payment, { account }) {
        expect(payment).type.toBe<Payment>()
        expect(account).type.toBe<WechatAccount>()
        expect(account.options.shopName).type.toBe<string | undefined>()
        expect(account.options.appId).type.toBe<string>()
      }
    })
  })

  /*
   * Not inferred from `find`: Fastify's `register` fixes a plugin's options type before it sees them, and
   * `request.wechatAccount` is one type for the whole server. So users declare once what their accounts hold.
   */
  test('the result of find does not change the type of account.options', () => {
    app.register(notify, {
      accounts: { find: async (id: string) => ({ appId: id, colour: 'red' }) },
      onPayment (_payment, { account }) {
        expect(account.options).type.toBe<WechatAccountOptions>()
        expect(account.options).type.not.toHaveProperty('colour')
      }
    })
  })
})

describe('notifications in a route', () => {
  test('request.wechatNotification is null in other routes, and is discriminated by kind', () => {
    const notification = {} as FastifyRequest['wechatNotification']
    expect(notification).type.toBe<Notification | null>()
    if (notification?.kind === 'payment') expect(notification.payment).type.toBe<Payment>()
    if (notification?.kind === 'refund') expect(notification.refund).type.toBe<Refund>()
    expect<Notification>().type.not.toHaveProperty('payment')
  })

  test('read() adds the account', () => {
    expect(app.wechatNotify.read({}, new Uint8Array()).then(({ account }) => account)).type.toBe<Promise<string>>()
  })
})
