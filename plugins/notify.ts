/** WeChat's news about payments and refunds: `POST /notify`, verified, handled once, answered after it was handled. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { systemClock } from '../src/clock.ts'
import { WechatConfigError, WechatError, WechatNotificationError } from '../src/errors.ts'
import { createOnce } from '../src/once.ts'
import { requireId, resolveEndpoints } from '../src/options.ts'
import { checkMerchant } from '../src/pay/merchant.ts'
import type { Merchant } from '../src/pay/merchant.ts'
import type { Payment } from '../src/pay/order.ts'
import type { Refund } from '../src/pay/refund.ts'
import { v2Answer } from '../src/pay/v2/notification.ts'
import { createV3Client } from '../src/pay/v3/client.ts'
import { SignatureProbe, v3Refusal } from '../src/pay/v3/notification.ts'
import { accountKey } from '../src/store/key.ts'
import { expose, prefixOf, storeOf } from './common.ts'
import type { CommonOptions, Namespaced } from './common.ts'
import { claimsV3, createNotificationReader } from './notification-reader.ts'
import type { Notification } from './notification-reader.ts'
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
  /** With `v2`, `v3` or both: messages of each that is configured are understood. */
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

/** What WeChat tells beside payments and refunds (APIv3 only). */
export interface WechatEvent {
  /** The same each time WeChat sends it. */
  eventId: string
  eventType: string
  /** What was decrypted, by WeChat's own names. */
  resource: Record<string, unknown>
}

export interface WechatNotify {
  /** Hears of one more kind of event, such as MCHTRANSFER.BILL.FINISHED: once for each `eventId`. Call it before the server listens. */
  on (eventType: string, handler: (event: WechatEvent, request: FastifyRequest) => unknown): void
}

declare module 'fastify' {
  interface FastifyInstance {
    wechatNotify: Namespaced<WechatNotify>
  }
  interface FastifyRequest {
    /** The verified notification, on the notify route. */
    wechatNotification: Notification | null
  }
}

export const notify = fp<NotifyOptions>(async (app, options) => {
  const { onPayment, onRefund, expected, onMismatch, handlerTimeout = 4500, remember = 7 * 86_400, namespace } = options
  const endpoints = resolveEndpoints(options.endpoints)
  const appId = requireId('appId', options.appId)
  const merchant = checkMerchant(options.merchant, endpoints.pay)
  if (!onPayment && !onRefund) throw new WechatConfigError('onPayment', '(or onRefund) is required')
  for (const [option, handler] of Object.entries({ onPayment, onRefund, onMismatch, expected })) {
    if (handler !== undefined && typeof handler !== 'function') throw new WechatConfigError(option, 'must be a function')
  }
  if (!(handlerTimeout > 0 && handlerTimeout <= 5000)) throw new WechatConfigError('handlerTimeout', 'must be 1 to 5000 milliseconds')

  const store = storeOf(app, options)
  const once = createOnce(store, { timeout: handlerTimeout, remember: remember * 1000 })
  const bases = [endpoints.pay, endpoints.payBackup]
  const keys = merchant.v3 && createV3Client({ http: options.http, bases, merchant: merchant.v3, store, clock: systemClock }).keys
  const read = createNotificationReader(appId, merchant, keys)
  const handledKey = (event: string) => accountKey(appId, `handled:${merchant.mchId}:${event}`)

  const handlers = new Map<string, Parameters<WechatNotify['on']>[1]>()
  const listening: WechatNotify = {
    on (eventType, handler) {
      if (typeof handler !== 'function') throw new WechatConfigError(`on(${eventType})`, 'needs a function')
      handlers.set(eventType, handler)
    }
  }
  // A second merchant under another prefix may do without a name: then only its events have nobody to hear them.
  if (namespace !== undefined || !app.hasDecorator('wechatNotify')) expose(app, 'wechatNotify', listening, namespace)

  async function checkExpected (payment: Payment): Promise<void> {
    if (!expected) return
    const order = await expected(payment.outTradeNo)
    if (order && order.amount === payment.amount && (order.currency ?? 'CNY') === payment.currency && isPayer(payment, order.openid)) return
    app.log.error({ outTradeNo: payment.outTradeNo, transactionId: payment.transactionId, paid: payment.amount, expected: order?.amount }, 'fastify-wechat-pay: a genuine payment does not fit the order')
    await onMismatch?.(payment, order)
    throw new WechatNotificationError('the payment does not fit the order', 409)
  }

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

  async function handleEvent (event: WechatEvent, request: FastifyRequest): Promise<void> {
    const handler = handlers.get(event.eventType)
    if (handler) await once(handledKey(`event:${event.eventId}`), async () => { await handler(event, request) })
    else request.log.warn({ eventType: event.eventType }, 'an event of WeChat Pay\'s, and nobody to hear of it: app.wechatNotify.on()')
  }

  async function handle (notification: Notification, request: FastifyRequest): Promise<void> {
    switch (notification.kind) {
      case 'payment': return await handlePayment(notification.payment, request)
      case 'payments':
        for (const payment of notification.payments) await handlePayment(payment, request)
        return
      case 'refund': return await handleRefund(notification.refund, request)
      case 'event': return await handleEvent({ eventId: notification.eventId, eventType: notification.eventType, resource: notification.raw }, request)
      case 'failure': request.log.info({ outTradeNo: notification.raw.out_trade_no }, 'an attempt to pay failed')
    }
  }

  if (!app.hasRequestDecorator('wechatNotification')) app.decorateRequest('wechatNotification', null)

  app.register(async scope => {
    rawBodies(scope)

    scope.setErrorHandler(async (error, request, reply) => {
      const { statusCode: given = 500 } = error as { statusCode?: number }
      // A handler's error may carry any status; one below 400 would tell WeChat that all is well.
      const statusCode = given < 400 ? 500 : given
      if (error instanceof SignatureProbe) request.log.debug('WeChat looked whether signatures are verified; they are')
      // A refused message is somebody's knocking, a failed handler is the host's to mend.
      else if (error instanceof WechatError || statusCode < 500) request.log.warn({ err: error }, 'notification refused')
      else request.log.error({ err: error }, 'the handler of a notification failed; WeChat will send it again')
      reply.code(statusCode)
      return claimsV3(request) ? reply.type('application/json; charset=utf-8').send(v3Refusal) : reply.type(XML).send(v2Answer('FAIL'))
    })

    scope.post('/notify', async (request: FastifyRequest, reply: FastifyReply) => {
      if (!Buffer.isBuffer(request.body)) throw new WechatNotificationError('there is no body')
      const notification = request.wechatNotification = await read(request.headers, request.body)
      await handle(notification, request)
      return notification.version === 'v3' ? reply.code(204).send() : reply.type(XML).send(v2Answer('SUCCESS'))
    })
  }, { prefix: prefixOf(options) })
}, { fastify: '5.x', name: 'fastify-wechat-pay/notify' })

const XML = 'text/xml; charset=utf-8'

const isPayer = ({ openid, subOpenid }: Payment, expected: string | undefined) => expected === undefined || expected === openid || expected === subOpenid

export default notify
export type { Merchant, Notification, Payment, Refund }
