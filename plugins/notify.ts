/** WeChat's news about payments and refunds: `POST /notify`, verified, handled once, answered after it was handled. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { notificationChannel, traced } from '../src/diagnostics.ts'
import type { NotificationTrace } from '../src/diagnostics.ts'
import { WechatConfigError, WechatError, WechatNotificationError } from '../src/errors.ts'
import { createOnce } from '../src/once.ts'
import { createDelivery, hear } from '../src/pay/deliver.ts'
import type { EventHandler, Expected, ExpectedOf, HandlingContext, WechatEvent } from '../src/pay/deliver.ts'
import type { Merchant } from '../src/pay/merchant.ts'
import { createProbeAnswer, PROBE_STATUS } from '../src/pay/notify-probe.ts'
import type { Payment } from '../src/pay/order.ts'
import type { Refund } from '../src/pay/refund.ts'
import { v2Answer } from '../src/pay/v2/notification.ts'
import { SignatureProbe, v3Refusal } from '../src/pay/v3/notification.ts'
import { accountIn, accountsOf, findAccounts, perAccount, setAccount } from './accounts.ts'
import type { WechatAccount } from './accounts.ts'
import { checkPluginOptions, expose, routeOf, scopeOf } from './common.ts'
import type { CommonOptions, Namespaced, WithAccounts } from './common.ts'
import { claimsV3 } from '../src/pay/notification-reader.ts'
import type { Notification } from '../src/pay/notification-reader.ts'
import { createVerifier } from './verifier.ts'
import { xml } from './xml.ts'
import { NOTIFY } from './schemas.ts'

/** What handlers get beside the news: a key for the host's own transaction, whose it is, and the request if it came by one. */
export interface NotifyContext extends HandlingContext {
  account: WechatAccount
  request?: FastifyRequest
}

export interface NotifyOptions extends CommonOptions {
  /** With `v2`, `v3` or both: messages of each that is configured are understood. */
  merchant: Merchant
  /**
   * Called once per payment; resolve only when it is safely recorded. A throw, or longer than `handlerTimeout`,
   * and WeChat will send it again.
   */
  onPayment?: (payment: Payment, context: NotifyContext) => unknown
  /** The same for what became of a refund: SUCCESS, CLOSED or ABNORMAL, each of them once. Without it, it is logged and acknowledged. */
  onRefund?: (refund: Refund, context: NotifyContext) => unknown
  /**
   * What the order should look like, or null or undefined if there is none. Recommended: without it a genuine payment of
   * another amount than the order's reaches `onPayment`.
   */
  expected?: ExpectedOf<Omit<NotifyContext, 'idempotencyKey'>>
  /** Called instead of `onPayment` for a genuine payment that is not what `expected` says. WeChat will send it again. */
  onMismatch?: (payment: Payment, expected: Expected | undefined, context: Omit<NotifyContext, 'idempotencyKey'>) => unknown
  /** Milliseconds a delivery waits for its handler; WeChat waits 5000. A slower handler goes on, and is not run a second time beside. Default 4500. */
  handlerTimeout?: number
  /** Milliseconds a handler may go on in all; then it counts as hung, and the next delivery runs it again. At most a day. Default 600000: ten minutes. */
  handlerLimit?: number
  /** Seconds that a handled payment is remembered, at most a year. Default seven days; WeChat gives up after about one. */
  remember?: number
  /** While Redis is away: `refuse`, so that WeChat sends it again (default), or `process` without memory of what other processes handled. */
  storeAway?: 'refuse' | 'process'
}

export interface WechatNotify {
  /**
   * Hears of one more kind of event, once for each `eventId`, by its event_type (`MCHTRANSFER.BILL.FINISHED`), its
   * original_type (`mch_payment`) or, for profit-sharing notices, which bear a payment's names, by `profitsharing`.
   * Call it before the server listens.
   */
  on (name: string, handler: (event: WechatEvent, context: NotifyContext) => unknown): void
  /**
   * News that was found by a query: down the same road as a notification, and handled once whichever comes first.
   * `account`: whose, where there are several.
   */
  deliver (payment: Payment, account?: string): Promise<void>
  /**
   * For a route of your own: the verified message, or an error that says why it is none. `body`: the bytes as received.
   * Nothing is handled: you do that, once for each transaction and event.
   * @throws WechatNotificationError (400 to 409); WechatError `WECHAT_ACCOUNT` (404)
   */
  read (headers: FastifyRequest['headers'], body: Uint8Array, account?: string): Promise<Notification & { /** Whose it is. */ readonly account: string }>
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

export const notify = fp<NotifyOptions | WithAccounts<NotifyOptions>>(async (app, options) => {
  checkPluginOptions(app, 'notify', options)
  const { onPayment, onRefund, expected, onMismatch, handlerTimeout = 4500, handlerLimit = 600_000, remember = 7 * DAY, storeAway, namespace } = options
  const accounts = await accountsOf(app, options)
  const { only, store } = accounts
  if (!onPayment && !onRefund) throw new WechatConfigError('onPayment', '(or onRefund) is required')
  if (handlerLimit < handlerTimeout) throw new WechatConfigError('handlerLimit', 'must not be below handlerTimeout')

  if (remember < DAY) app.log.warn({ remember }, 'fastify-wechat-pay: option remember is in seconds, and WeChat repeats a notification for about a day: handlers may run again')
  const once = createOnce(store, { timeout: handlerTimeout, limit: handlerLimit, remember: remember * 1000, storeAway, log: app.log })
  const events = new Map<string, EventHandler<NotifyContext>>()
  const handlers = { onPayment, onRefund, expected, onMismatch, events }
  const deliveryOf = perAccount(({ appId, merchant }) => createDelivery<NotifyContext>(appId, merchant.mchId, once, handlers))
  // What is wrong with it stops registration.
  if (only) deliveryOf(only)
  const verify = createVerifier(accounts, handlerTimeout, app.log)
  const listening: WechatNotify = {
    on: (eventType, handler) => { hear(events, eventType, handler) },
    async deliver (payment, id) {
      const account = await accounts.get(id)
      await deliveryOf(account).payment(payment, { source: 'query', account }, app.log)
    },
    async read (headers, body, id) {
      const { account, notification } = await verify(headers, body, id === undefined ? only : await accounts.get(id), undefined)
      return { ...notification, account: account.id }
    }
  }
  // A second merchant under another prefix may do without a name: then only its events have nobody to hear them.
  if (namespace !== undefined || !app.hasDecorator('wechatNotify')) expose(app, 'wechatNotify', listening, namespace)

  async function handle (notification: Notification, account: WechatAccount, request: FastifyRequest): Promise<void> {
    const source = { source: 'notification', account, request } as const
    const delivery = deliveryOf(account)
    switch (notification.kind) {
      case 'payment': return await delivery.payment(notification.payment, source, request.log)
      case 'payments':
        for (const payment of notification.payments) await delivery.payment(payment, source, request.log)
        return
      case 'refund': return await delivery.refund(notification.refund, source, request.log)
      case 'event': {
        const { kind: _told, raw: resource, version: _known, ...event } = notification
        return await delivery.event({ ...event, resource }, source, request.log)
      }
      case 'failure': request.log.info({ outTradeNo: notification.raw.out_trade_no }, 'an attempt to pay failed')
    }
  }

  const probedBy = perAccount(({ options: { merchant } }) => createProbeAnswer(merchant ?? {}))

  // What began before the end shall have its time, and no more: slower work dies with the process, and is run again elsewhere.
  let end = 0
  app.addHook('preClose', async () => { end = performance.now() + handlerTimeout })
  app.addHook('onClose', async () => { await once.close(Math.max(0, end - performance.now())) })

  if (!app.hasRequestDecorator('wechatNotification')) app.decorateRequest('wechatNotification', null)

  app.register(async scope => {
    await scope.register(xml, { parse: false })
    findAccounts(scope, accounts, { optional: true })

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

    scope.post('/notify', routeOf(options, NOTIFY), async (request: FastifyRequest, reply: FastifyReply) => {
      // wechat-doctor asks, with the merchant's own key, what arrives here: told, and never taken for a notification.
      const own = accountIn(request)
      const report = own && probedBy(own)(request)
      if (report) return reply.code(PROBE_STATUS).type('application/json; charset=utf-8').send(report)
      const trace: NotificationTrace = {}
      const notification = await traced(notificationChannel, trace, async () => {
        if (!Buffer.isBuffer(request.body)) throw new WechatNotificationError('there is no body')
        const { account, notification: verified } = await verify(request.headers, request.body, accountIn(request), request)
        setAccount(request, account)
        request.wechatNotification = verified
        Object.assign(trace, { version: verified.version, kind: verified.kind, ...numberOf(verified) })
        await handle(verified, account, request)
        return verified
      })
      return notification.version === 'v3' ? reply.code(204).send() : reply.type(XML).send(v2Answer('SUCCESS'))
    })
  }, scopeOf(options))
}, { fastify: '5.x', name: 'fastify-wechat-pay/notify' })

const XML = 'text/xml; charset=utf-8'
/** Seconds. */
const DAY = 86_400

function numberOf (notification: Notification): { outTradeNo?: string } {
  switch (notification.kind) {
    case 'payment': return { outTradeNo: notification.payment.outTradeNo }
    case 'refund': return { outTradeNo: notification.refund.outTradeNo }
    default: return {}
  }
}

export default notify
export type { Expected, ExpectedOf, Merchant, Notification, Payment, Refund, WechatEvent }
