/** News about money on its way to the host: compared with what the host expects, handled once, by whichever road it came. */
import { WechatConfigError, WechatError, WechatNotificationError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Once } from '../once.ts'
import { accountKey } from '../store/key.ts'
import type { Payment } from './order.ts'
import type { Refund } from './refund.ts'

/** What the host's own records say of an order. */
export interface Expected {
  /** Integer fen. */
  amount: number
  /** Default CNY. */
  currency?: string
  /** Who is to pay, under the appId or the subAppId; leave out if anybody may. */
  openid?: string
}

/** What the order of this number should look like; null or undefined if there is none. `source`: what the handler gets beside the payment. */
export type ExpectedOf<S = unknown> = (outTradeNo: string, source: S) => Expected | null | undefined | Promise<Expected | null | undefined>

/** What WeChat tells beside payments and refunds (APIv3 only). */
export interface WechatEvent {
  /** The same each time WeChat sends it. */
  eventId: string
  eventType: string
  /** What WeChat calls the contents: `mch_payment`, `transaction` …; '' if it says nothing. */
  originalType: string
  /** WeChat's own words for it, in Chinese; '' if it says nothing. */
  summary: string
  /** What the contents themselves say it is, where WeChat's names do not tell: `profitsharing`. */
  topic?: string | undefined
  /** What was decrypted, by WeChat's own names. Integers beyond 2^53 are strings. */
  resource: Record<string, unknown>
}

export interface HandlingContext {
  /** The same for each piece of news however often and by whichever road it comes: a key for the host's own transaction. */
  idempotencyKey: string
  /** A message of WeChat's, or the answer to a query of ours. */
  source: 'notification' | 'query'
}

export interface DeliveryHandlers<C extends HandlingContext> {
  onPayment?: ((payment: Payment, context: C) => unknown) | undefined
  onRefund?: ((refund: Refund, context: C) => unknown) | undefined
  expected?: ExpectedOf<Source<C>> | undefined
  onMismatch?: ((payment: Payment, expected: Expected | undefined, source: Source<C>) => unknown) | undefined
  /** By type; several deliveries may share them. Default: those of `on`. */
  events?: Map<string, EventHandler<C>> | undefined
}

export type EventHandler<C extends HandlingContext> = (event: WechatEvent, context: C) => unknown

/** What the caller adds to the context that handlers get. */
export type Source<C extends HandlingContext> = Omit<C, 'idempotencyKey'>

export interface Delivery<C extends HandlingContext> {
  /**
   * Resolves once the host has handled it, now or before.
   * @throws WechatNotificationError (409) when it is not what the host expects; whatever the handler threw; WechatError `WECHAT_TIMEOUT` (503)
   */
  payment (payment: Payment, source: Source<C>, log: Log): Promise<void>
  refund (refund: Refund, source: Source<C>, log: Log): Promise<void>
  event (event: WechatEvent, source: Source<C>, log: Log): Promise<void>
  /** `name`: a topic (`profitsharing`), an event_type or an original_type. The first of these that has a handler is called, and no other. */
  on (name: string, handler: EventHandler<C>): void
}

export function createDelivery<C extends HandlingContext> (appId: string, mchId: string, once: Once, { onPayment, onRefund, expected, onMismatch, events = new Map() }: DeliveryHandlers<C>): Delivery<C> {
  const handled = async (idempotencyKey: string, source: Source<C>, work: (context: C) => Promise<void>) =>
    await once(accountKey(appId, `handled:${mchId}:${idempotencyKey}`), async () => { await work({ ...source, idempotencyKey } as C) })

  async function refuseUnexpected (payment: Payment, source: Source<C>, log: Log): Promise<void> {
    if (!expected) return
    const order = await expected(payment.outTradeNo, source) ?? undefined
    if (order && order.amount === payment.amount && (order.currency ?? 'CNY') === payment.currency && isPayer(payment, order.openid)) return
    log.error({ outTradeNo: payment.outTradeNo, transactionId: payment.transactionId, paid: payment.amount, expected: order?.amount }, 'fastify-wechat-pay: a genuine payment does not fit the order')
    await onMismatch?.(payment, order, source)
    throw new WechatNotificationError('the payment does not fit the order', 409)
  }

  return {
    async payment (payment, source, log) {
      if (!onPayment) throw new WechatError('WECHAT_CONFIG', 'a payment came, and there is no onPayment to handle it', { statusCode: 501 })
      await handled(payment.transactionId, source, async context => {
        await refuseUnexpected(payment, source, log)
        await onPayment(payment, context)
      })
    },

    async refund (refund, source, log) {
      if (onRefund) await handled(`${refund.refundId}:${refund.state}`, source, async context => { await onRefund(refund, context) })
      else log.warn({ outRefundNo: refund.outRefundNo, state: refund.state }, 'a refund ended, and there is no onRefund to hear of it')
    },

    async event (event, source, log) {
      // From the most telling to the vaguest: a payment and a profit-sharing notice bear the same event_type.
      const handler = [event.topic, event.eventType, event.originalType].map(name => events.get(name ?? '')).find(Boolean)
      if (handler) await handled(`event:${event.eventId}`, source, async context => { await handler(event, context) })
      else log.warn({ eventType: event.eventType, originalType: event.originalType, ...(event.topic && { topic: event.topic }) }, 'an event of WeChat Pay\'s, and nobody to hear of it: app.wechatNotify.on()')
    },

    on: (name, handler) => { hear(events, name, handler) }
  }
}

/** @throws WechatConfigError */
export function hear<H extends (event: WechatEvent, context: never) => unknown> (events: Map<string, H>, name: string, handler: H): void {
  if (typeof name !== 'string' || name === '') throw new WechatConfigError('on()', 'needs the name of an event')
  if (typeof handler !== 'function') throw new WechatConfigError(`on(${name})`, 'needs a function')
  events.set(name, handler)
}

const isPayer = ({ openid, subOpenid }: Payment, expected: string | undefined) => expected === undefined || expected === openid || expected === subOpenid
