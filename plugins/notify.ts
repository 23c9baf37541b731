/** WeChat's news about payments and refunds: `POST /notify`, verified, handled once, answered after it was handled. */
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { WechatConfigError, WechatError, WechatNotificationError } from '../src/errors.ts'
import { createOnce } from '../src/once.ts'
import { requireId, resolveEndpoints } from '../src/options.ts'
import { checkMerchant } from '../src/pay/merchant.ts'
import type { Merchant } from '../src/pay/merchant.ts'
import type { Payment } from '../src/pay/order.ts'
import type { Refund } from '../src/pay/refund.ts'
import { readV2Notification, v2Answer } from '../src/pay/v2/notification.ts'
import type { V2Notification } from '../src/pay/v2/notification.ts'
import { accountKey } from '../src/store/key.ts'
import { prefixOf, storeOf } from './common.ts'
import type { CommonOptions } from './common.ts'
import { rawBodies } from './raw-bodies.ts'

/** What the host's own records say of an order. */
export interface Expected {
  /** Integer fen. */
  amount: number
  /** Default CNY. */
  currency?: string
  /** Who is to pay, under the appId or the subAppId; leave out if anybody may. */
  openid?: string
}

export interface NotifyOptions extends CommonOptions {
  merchant: Merchant
  /**
   * Called once per payment; resolve only when it is safely recorded. A throw, or longer than `handlerTimeout`,
   * and WeChat will send it again.
   */
  onPayment?: (payment: Payment, request: FastifyRequest) => unknown
  /** The same for what became of a refund: SUCCESS, CLOSED or ABNORMAL, each of them once. Without it, it is logged and acknowledged. */
  onRefund?: (refund: Refund, request: FastifyRequest) => unknown
  /**
   * What the order should look like, or undefined if there is none. Recommended: without it a genuine payment of
   * another amount than the order's reaches `onPayment`.
   */
  expected?: (outTradeNo: string) => Expected | undefined | Promise<Expected | undefined>
  /** Called instead of `onPayment` for a genuine payment that is not what `expected` says. WeChat will send it again. */
  onMismatch?: (payment: Payment, expected: Expected | undefined) => unknown
  /** Milliseconds; WeChat waits 5000. Default 4500. */
  handlerTimeout?: number
  /** Seconds that a handled payment is remembered. Default seven days; WeChat gives up after about one. */
  remember?: number
}

declare module 'fastify' {
  interface FastifyRequest {
    /** The verified notification, on the notify route. */
    wechatNotification: V2Notification | null
  }
}

export const notify = fp<NotifyOptions>(async (app, options) => {
  const { onPayment, onRefund, expected, onMismatch, handlerTimeout = 4500, remember = 7 * 86_400 } = options
  const appId = requireId('appId', options.appId)
  const merchant = checkMerchant(options.merchant, resolveEndpoints(options.endpoints).pay)
  if (!onPayment && !onRefund) throw new WechatConfigError('onPayment', '(or onRefund) is required')
  for (const [option, handler] of Object.entries({ onPayment, onRefund, onMismatch, expected })) {
    if (handler !== undefined && typeof handler !== 'function') throw new WechatConfigError(option, 'must be a function')
  }
  if (!(handlerTimeout > 0 && handlerTimeout <= 5000)) throw new WechatConfigError('handlerTimeout', 'must be 1 to 5000 milliseconds')
  const once = createOnce(storeOf(app, options), { timeout: handlerTimeout, remember: remember * 1000 })

  async function checkExpected (payment: Payment): Promise<void> {
    if (!expected) return
    const order = await expected(payment.outTradeNo)
    if (order && order.amount === payment.amount && (order.currency ?? 'CNY') === payment.currency && isPayer(payment, order.openid)) return
    app.log.error({ outTradeNo: payment.outTradeNo, transactionId: payment.transactionId, paid: payment.amount, expected: order?.amount }, 'fastify-wechat-pay: a genuine payment does not fit the order')
    await onMismatch?.(payment, order)
    throw new WechatNotificationError('the payment does not fit the order', 409)
  }

  const handledKey = (event: string) => accountKey(appId, `handled:${merchant.mchId}:${event}`)

  async function handlePayment (payment: Payment, request: FastifyRequest): Promise<void> {
    if (!onPayment) throw new WechatError('WECHAT_CONFIG', 'a payment came, and there is no onPayment to handle it', { statusCode: 501 })
    await once(handledKey(payment.transactionId), async () => {
      await checkExpected(payment)
      await onPayment(payment, request)
    })
  }

  async function handleRefund (refund: Refund, request: FastifyRequest): Promise<void> {
    if (onRefund) await once(handledKey(`${refund.refundId}:${refund.state}`), async () => { await onRefund(refund, request) })
    else request.log.warn({ outRefundNo: refund.outRefundNo, state: refund.state }, 'a refund ended, and there is no onRefund to hear of it')
  }

  async function handle (notification: V2Notification, request: FastifyRequest): Promise<void> {
    if (notification.kind === 'payment') await handlePayment(notification.payment, request)
    else if (notification.kind === 'refund') await handleRefund(notification.refund, request)
    else request.log.info({ outTradeNo: notification.raw.out_trade_no }, 'an attempt to pay failed')
  }

  if (!app.hasRequestDecorator('wechatNotification')) app.decorateRequest('wechatNotification', null)

  app.register(async scope => {
    rawBodies(scope)

    scope.setErrorHandler(async (error, request, reply) => {
      const { statusCode: given = 500 } = error as { statusCode?: number }
      // A handler's error may carry any status; one below 400 would tell WeChat that all is well.
      const statusCode = given < 400 ? 500 : given
      // A refused message is somebody's knocking, a failed handler is the host's to mend.
      if (error instanceof WechatError || statusCode < 500) request.log.warn({ err: error }, 'notification refused')
      else request.log.error({ err: error }, 'the handler of a notification failed; WeChat will send it again')
      return reply.code(statusCode).type('text/xml; charset=utf-8').send(v2Answer('FAIL'))
    })

    scope.post('/notify', async (request, reply) => {
      if (!Buffer.isBuffer(request.body)) throw new WechatNotificationError('there is no body')
      const notification = request.wechatNotification = readV2Notification(request.body, appId, merchant.v2)
      await handle(notification, request)
      return reply.type('text/xml; charset=utf-8').send(v2Answer('SUCCESS'))
    })
  }, { prefix: prefixOf(options) })
}, { fastify: '5.x', name: 'fastify-wechat-pay/notify' })

const isPayer = ({ openid, subOpenid }: Payment, expected: string | undefined) => expected === undefined || expected === openid || expected === subOpenid

export default notify
export type { Merchant, Payment, Refund, V2Notification }
