/** Delivers payments, refunds and events to the application: compared with the expected order and handled once, whether they come from a notification or a query. */
import { WechatConfigError, WechatError, WechatNotificationError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Once } from '../once.ts'
import { accountKey } from '../store/key.ts'
import type { Payment } from './order.ts'
import type { Refund } from './refund.ts'

/** An order according to your own records. */
export interface Expected {
  /** Integer fen. */
  amount: number
  /** Default CNY. */
  currency?: string
  /** The payer's openid, under the appId or the subAppId; leave it out if anyone may pay. */
  openid?: string
}

/** Returns the expected order with this number; null or undefined if there is none. `source`: the handler's second argument. */
export type ExpectedOf<S = unknown> = (outTradeNo: string, source: S) => Expected | null | undefined | Promise<Expected | null | undefined>

/** A notification other than payments and refunds (APIv3 only). */
export interface WechatEvent {
  /** The same for every delivery of this event. */
  eventId: string
  eventType: string
  /** WeChat's name of the contents: `mch_payment`, `transaction` …; '' if there is none. */
  originalType: string
  /** WeChat's summary, in Chinese; '' if there is none. */
  summary: string
  /** Derived from the contents, where WeChat's names are ambiguous: `profitsharing`. */
  topic?: string | undefined
  /** The decrypted contents, with WeChat's own names. Integers beyond 2^53 are strings. */
  resource: Record<string, unknown>
}

export interface HandlingContext {
  /** The same however often a result arrives, and whether by notification or query. Use it as a key in your own transaction. */
  idempotencyKey: string
  /** A notification from WeChat, or the answer to a query. */
  source: 'notification' | 'query'
}

export interface DeliveryHandlers<C extends HandlingContext> {
  onPayment?: ((payment: Payment, context: C) => unknown) | undefined
  onRefund?: ((refund: Refund, context: C) => unknown) | undefined
  expected?: ExpectedOf<Source<C>> | undefined
  onMismatch?: ((payment: Payment, expected: Expected | undefined, source: Source<C>) => unknown) | undefined
  /** By name; several deliveries may share them. Default: those registered with `on`. */
  events?: Map<string, EventHandler<C>> | undefined
}

export type EventHandler<C extends HandlingContext> = (event: WechatEvent, context: C) => unknown

/** Added by the caller to the handlers' context. */
export type Source<C extends HandlingContext> = Omit<C, 'idempotencyKey'>

export interface Delivery<C extends HandlingContext> {
  /**
   * Resolves once your handler has succeeded, now or earlier.
   * @throws WechatNotificationError (409) if it does not match the expected order; whatever the handler threw; WechatError `WECHAT_TIMEOUT` (503)
   */
  payment (payment: Payment, source: Source<C>, log: Log): Promise<void>
  refund (refund: Refund, source: Source<C>, log: Log): Promise<void>
  event (event: WechatEvent, source: Source<C>, log: Log): Promise<void>
  /** `name`: a topic (`profitsharing`), an event_type or an original_type. The first of these that has a handler is called, and no other. */
  on (name: string, handler: EventHandler<C>): void
}

export function createDelivery<C extends HandlingContext> (appId: string, mchId: string, once: Once, { onPayment, onRefund, expected, onMismatch, events = new Map() }: DeliveryHandlers<C>): Delivery<C> {
  const prefix = accountKey(appId, `handled:${mchId}:`)
  const handled = (idempotencyKey: string, source: Source<C>, work: (context: C) => Promise<void>) =>
    once(prefix + idempotencyKey, () => work({ ...source, idempotencyKey } as C))

  async function refuseUnexpected (payment: Payment, source: Source<C>, log: Log): Promise<void> {
    if (!expected) return
    const order = await expected(payment.outTradeNo, source) ?? undefined
    if (order && order.amount === payment.amount && (order.currency ?? 'CNY') === payment.currency && isPayer(payment, order.openid)) return
    log.error({ outTradeNo: payment.outTradeNo, transactionId: payment.transactionId, paid: payment.amount, expected: order?.amount }, 'fastify-wechat-pay: the payment does not match the order')
    await onMismatch?.(payment, order, source)
    throw new WechatNotificationError('the payment does not match the order', 409)
  }

  return {
    async payment (payment, source, log) {
      if (!onPayment) throw new WechatError('WECHAT_CONFIG', 'a payment arrived, but onPayment is not set', { statusCode: 501 })
      await handled(payment.transactionId, source, async context => {
        await refuseUnexpected(payment, source, log)
        await onPayment(payment, context)
      })
    },

    async refund (refund, source, log) {
      if (onRefund) await handled(`${refund.refundId}:${refund.state}`, source, async context => { await onRefund(refund, context) })
      else log.warn({ outRefundNo: refund.outRefundNo, state: refund.state }, 'a refund arrived, but onRefund is not set')
    },

    async event (event, source, log) {
      // From the most to the least specific: payments and profit-sharing notifications have the same event_type.
      const handler = [event.topic, event.eventType, event.originalType].map(name => events.get(name ?? '')).find(Boolean)
      if (handler) await handled(`event:${event.eventId}`, source, async context => { await handler(event, context) })
      else log.warn({ eventType: event.eventType, originalType: event.originalType, ...(event.topic && { topic: event.topic }) }, 'no handler for this event: register one with app.wechatNotify.on()')
    },

    on: (name, handler) => { addHandler(events, name, handler) }
  }
}

/** @throws WechatConfigError */
export function addHandler<H extends (event: WechatEvent, context: never) => unknown> (events: Map<string, H>, name: string, handler: H): void {
  if (typeof name !== 'string' || name === '') throw new WechatConfigError('on()', 'must be the name of an event')
  if (typeof handler !== 'function') throw new WechatConfigError(`on(${name})`, 'must be a function')
  events.set(name, handler)
}

const isPayer = ({ openid, subOpenid }: Payment, expected: string | undefined) => expected === undefined || expected === openid || expected === subOpenid
