/** Notifications of payments and refunds: `POST /notify`, verified, handled once, and answered after the handler has resolved. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { notificationChannel, traced } from '../src/diagnostics.ts'
import type { NotificationTrace } from '../src/diagnostics.ts'
import { WechatConfigError, WechatError, WechatNotificationError } from '../src/errors.ts'
import { createOnce } from '../src/once.ts'
import { addHandler, createDelivery } from '../src/pay/deliver.ts'
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

/** The second argument of handlers: a key for your own transaction, the account, and the request if there is one. */
export interface NotifyContext extends HandlingContext {
  account: WechatAccount
  request?: FastifyRequest
}

export interface NotifyOptions extends CommonOptions {
  /** With `v2`, `v3` or both: notifications of each configured version are accepted. */
  merchant: Merchant
  /**
   * Called once per payment; resolve only when it is safely recorded. If it throws, or takes longer than `handlerTimeout`,
   * WeChat sends the notification again.
   */
  onPayment?: (payment: Payment, context: NotifyContext) => unknown
  /** The same for a refund's final state: SUCCESS, CLOSED or ABNORMAL, each once. Without it, refunds are logged and acknowledged. */
  onRefund?: (refund: Refund, context: NotifyContext) => unknown
  /**
   * Returns the expected order; null or undefined if there is none. Recommended: without it, a genuine payment with a
   * wrong amount reaches `onPayment`.
   */
  expected?: ExpectedOf<Omit<NotifyContext, 'idempotencyKey'>>
  /** Called instead of `onPayment` for a genuine payment that differs from `expected`. WeChat sends it again. */
  onMismatch?: (payment: Payment, expected: Expected | undefined, context: Omit<NotifyContext, 'idempotencyKey'>) => unknown
  /** Milliseconds a delivery waits for its handler; WeChat waits 5000. A slower handler keeps running, and no second run starts meanwhile. Default 4500. */
  handlerTimeout?: number
  /** Total milliseconds a handler may run; after that it counts as hung, and the next delivery runs it again. At most a day. Default 600000: ten minutes. */
  handlerLimit?: number
  /** Seconds to remember a handled payment, at most a year. Default seven days; WeChat stops resending after about one day. */
  remember?: number
  /** While Redis is unavailable: `refuse`, so that WeChat sends it again (default), or `process` without knowing what other processes handled. */
  storeAway?: 'refuse' | 'process'
}

export interface WechatNotify {
  /**
   * Registers a handler for another kind of event, called once for each `eventId`: by its event_type (`MCHTRANSFER.BILL.FINISHED`), its
   * original_type (`mch_payment`) or, for profit-sharing notifications, which have a payment's names, `profitsharing`.
   * Call it before the server listens.
   */
  on (name: string, handler: (event: WechatEvent, context: NotifyContext) => unknown): void
  /**
   * Delivers a payment found by a query, exactly like a notification: handled once, whichever comes first.
   * `account`: its account, if there are several.
   */
  deliver (payment: Payment, account?: string): Promise<void>
  /**
   * For your own route: returns the verified message, or throws an error that says why it is refused. `body`: the bytes as received.
   * Calls no handler: you handle each transaction and event, once.
   * @throws WechatNotificationError (400 to 409); WechatError `WECHAT_ACCOUNT` (404)
   */
  read (headers: FastifyRequest['headers'], body: Uint8Array, account?: string): Promise<Notification & { /** The message's account. */ readonly account: string }>
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

  if (remember < DAY) app.log.warn({ remember }, 'fastify-wechat-pay: option remember (seconds) is shorter than the day or so in which WeChat resends notifications: handlers may run again')
  const once = createOnce(store, { timeout: handlerTimeout, limit: handlerLimit, remember: remember * 1000, storeAway, log: app.log })
  const events = new Map<string, EventHandler<NotifyContext>>()
  const handlers = { onPayment, onRefund, expected, onMismatch, events }
  const deliveryOf = perAccount(({ appId, merchant }) => createDelivery<NotifyContext>(appId, merchant.mchId, once, handlers))
  // Invalid options stop registration.
  if (only) deliveryOf(only)
  const verify = createVerifier(accounts, handlerTimeout, app.log)
  const listening: WechatNotify = {
    on: (eventType, handler) => { addHandler(events, eventType, handler) },
    async deliver (payment, id) {
      const account = await accounts.get(id)
      await deliveryOf(account).payment(payment, { source: 'query', account }, app.log)
    },
    async read (headers, body, id) {
      const { account, notification } = await verify(headers, body, id === undefined ? only : await accounts.get(id), undefined)
      return { ...notification, account: account.id }
    }
  }
  // A second merchant under another prefix may have no namespace: then only event handlers cannot be registered for it.
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

  // Running handlers get this much time and no more: slower ones die with the process and run again elsewhere.
  let end = 0
  app.addHook('preClose', async () => { end = performance.now() + handlerTimeout })
  app.addHook('onClose', async () => { await once.close(Math.max(0, end - performance.now())) })

  if (!app.hasRequestDecorator('wechatNotification')) app.decorateRequest('wechatNotification', null)

  app.register(async scope => {
    await scope.register(xml, { parse: false })
    findAccounts(scope, accounts, { optional: true })

    scope.setErrorHandler(async (error, request, reply) => {
      const { statusCode: given = 500 } = error as { statusCode?: number }
      // A handler's error may have any status; one below 400 would tell WeChat that it was handled.
      const statusCode = given < 400 ? 500 : given
      if (error instanceof SignatureProbe) request.log.debug('WeChat probed whether signatures are verified; they are')
      // A refused message is someone probing the route; a failed handler needs fixing.
      else if (error instanceof WechatError || statusCode < 500) request.log.warn({ err: error }, 'notification refused')
      else request.log.error({ err: error }, 'the handler of a notification failed; WeChat will send it again')
      reply.code(statusCode)
      return claimsV3(request) ? reply.type('application/json; charset=utf-8').send(v3Refusal) : reply.type(XML).send(v2Answer('FAIL'))
    })

    scope.post('/notify', routeOf(options, NOTIFY), async (request: FastifyRequest, reply: FastifyReply) => {
      // A wechat-doctor probe, signed with the merchant's key: report what arrived, and never treat it as a notification.
      const own = accountIn(request)
      const report = own && probedBy(own)(request)
      if (report) return reply.code(PROBE_STATUS).type('application/json; charset=utf-8').send(report)
      const trace: NotificationTrace = {}
      const notification = await traced(notificationChannel, trace, async () => {
        if (!Buffer.isBuffer(request.body)) throw new WechatNotificationError('the body is missing')
        const { account, notification: verified } = await verify(request.headers, request.body, accountIn(request), request)
        setAccount(request, account)
        request.wechatNotification = verified
        trace.version = verified.version
        trace.kind = verified.kind
        const outTradeNo = numberOf(verified)
        if (outTradeNo !== undefined) trace.outTradeNo = outTradeNo
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

function numberOf (notification: Notification): string | undefined {
  switch (notification.kind) {
    case 'payment': return notification.payment.outTradeNo
    case 'refund': return notification.refund.outTradeNo
  }
}

export default notify
export type { Expected, ExpectedOf, Merchant, Notification, Payment, Refund, WechatEvent }
