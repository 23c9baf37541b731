/** Notifies the merchant of payments and refunds, on WeChat's schedule, until a notification is accepted. */
import type { FastifyBaseLogger } from 'fastify'
import type { SignType } from '../../../src/pay/v2/sign.ts'
import { paidFields } from '../wechat/v2/orders.ts'
import { createPoster } from './post.ts'
import { refundXml } from './refund-message.ts'
import type { V3Keys } from '../keys/v3-keys.ts'
import type { Contract } from '../wechat/v2/contracts.ts'
import type { V3Event } from '../wechat/v3/area.ts'
import { combinedJson, paidJson } from '../wechat/v3/orders.ts'
import { refundMessage } from '../wechat/v3/refunds.ts'
import { headersInWechatsCase } from '../wechat/header-names.ts'
import { callbackSigner, encryptResource, signedHeaders } from '../wechat/v3/wire.ts'
import type { NotificationFaults } from '../faults/notification-faults.ts'
import { signed, v2Xml } from '../wechat/wire.ts'
import { createScheduler } from '../state/scheduler.ts'
import type { Values } from '../wechat/wire.ts'
import { chinaTime, rfc3339 } from '../state/state.ts'
import type { Delivery, Order, Refund, State } from '../state/state.ts'

const MINUTE = 60
/** Seconds between attempts. */
const SCHEDULE = [15, 15, 30, 3 * MINUTE, 10 * MINUTE, 20 * MINUTE, 30 * MINUTE, 30 * MINUTE, 30 * MINUTE, 60 * MINUTE, 180 * MINUTE, 180 * MINUTE, 180 * MINUTE, 360 * MINUTE, 360 * MINUTE]

/** A notification and its receiver. */
type Message = Pick<Delivery, 'about' | 'out_trade_no' | 'out_refund_no' | 'url'> & { body: string, v3: boolean }

const HEADERS = { 'user-agent': 'Mozilla/4.0', accept: '*/*', pragma: 'no-cache' }

export function createNotifier (state: State, keys: V3Keys, notificationFaults: NotificationFaults, log: FastifyBaseLogger) {
  const scheduler = createScheduler(state)
  const underWay = new Set<Promise<void>>()
  /** A pending notification, its next attempt, and the time of the previous one. */
  const pending = state.memory.table<{ message: Message, number: number, since: number }>('pending')
  const signer = callbackSigner(state, keys)
  let closed = false
  const poster = createPoster()

  const subOf = ({ sub_mch_id: id, sub_appid: appId }: Order) => id === '' ? {} : { sub: { sub_mch_id: id, sub_appid: appId } }

  function paymentXml (order: Order): string {
    return v2Xml(signed({ state, signType: order.sign_type as SignType, apiKey: state.account.apiKey, ...subOf(order) }, {
      result_code: 'SUCCESS',
      appid: order.appid,
      out_trade_no: order.out_trade_no,
      attach: order.attach,
      device_info: order.device_info,
      ...(order.sign_type !== 'MD5' && { sign_type: order.sign_type }),
      ...paidFields(order)
    }))
  }

  /** A v3 notification, with its content encrypted for the merchant. */
  function eventJson (type: string, originalType: string, summary: string, content: object): string {
    return JSON.stringify({
      id: state.random.uuid(),
      create_time: rfc3339(chinaTime(state.now())),
      resource_type: 'encrypt-resource',
      event_type: type,
      summary,
      resource: { original_type: originalType, ...encryptResource(JSON.stringify(content), state.account.apiV3Key, originalType, state.random) }
    })
  }

  /** Signed for each attempt, because a timestamp is valid for five minutes. */
  function headersOf ({ about, body, v3 }: Message): Record<string, string> {
    if (!v3) return { ...HEADERS, 'content-type': 'text/xml' }
    // As in recorded notifications: no Request-ID, no Signature-Type.
    const headers = { ...HEADERS, 'content-type': 'application/json', ...signedHeaders(state, body, signer(), state.random.word(32)) }
    return about === 'probe' ? { ...headers, 'wechatpay-signature': `WECHATPAY/SIGNTEST/${state.random.hex(64)}` } : headers
  }

  async function attempt (message: Message, number: number, forged = false): Promise<Delivery> {
    const { v3, ...rest } = message
    const body = forged && !v3 ? message.body.replace(/<sign><!\[CDATA\[./, '$&0') : message.body
    const delivery: Delivery = {
      id: `n${state.deliveries.length + 1}`,
      ...rest,
      attempt: number,
      sent_at: new Date(state.now()).toISOString(),
      request: { headers: headersOf(forged ? { ...message, about: 'probe' } : message), body },
      reply: null,
      error: null,
      accepted: false
    }
    state.deliveries.push(delivery)
    try {
      const reply = await poster.post(delivery.url, { headers: headersInWechatsCase(delivery.request.headers), body })
      delivery.reply = { status: reply.status, body: reply.body.toString().slice(0, 2000) }
      delivery.accepted = v3
        ? reply.status === 200 || reply.status === 204
        : reply.status === 200 && /<return_code>(?:<!\[CDATA\[)?SUCCESS\b/.test(delivery.reply.body)
    } catch (error) {
      delivery.error = (error as Error).message
    }
    state.events.emit('delivery', delivery)
    state.events.emit('change')
    log.debug({ out_trade_no: message.out_trade_no, attempt: number, accepted: delivery.accepted }, 'notification delivered')
    return delivery
  }

  function enqueue (message: Message): void {
    if (message.url !== '') start(state.random.hex(8), message, 1)
  }

  function start (key: string, message: Message, number: number): void {
    if (closed) return
    pending.set(key, { message, number, since: state.now() })
    const running = deliver(message, number).then(accepted => {
      if (accepted || SCHEDULE[number - 1] === undefined) pending.delete(key)
      else again(key, { message, number: number + 1, since: state.now() })
    }).finally(() => underWay.delete(running))
    underWay.add(running)
  }

  function again (key: string, item: { message: Message, number: number, since: number }): void {
    if (closed) return
    pending.set(key, item)
    scheduler.schedule(key, item.since, (SCHEDULE[item.number - 2] ?? 0) * 1000 * state.timeScale, () => start(key, item.message, item.number))
  }
  // Notifications pending when the emulator was stopped.
  for (const [key, item] of pending) again(key, item)

  /** One attempt, with the next fault, if any. True if it was accepted. */
  async function deliver (message: Message, number: number): Promise<boolean> {
    const { kind, ms = 1000, copies = 3 } = notificationFaults.next() ?? {}
    if (kind === 'drop') return false
    if (kind === 'delay') await new Promise(resolve => setTimeout(resolve, ms))
    if (kind === 'hold') await notificationFaults.overtaken()
    if (kind === 'forge') return (await attempt(message, number, true)).accepted
    const first = kind === 'concurrent'
      ? (await Promise.all(Array.from({ length: copies }, () => attempt(message, number))))[0] as Delivery
      : await attempt(message, number)
    if (kind === 'duplicate') for (let at = 1; at < copies; at++) await attempt(message, number)
    notificationFaults.overtake()
    return first.accepted
  }

  const about = (order: Order) => ({ out_trade_no: order.out_trade_no, out_refund_no: '', url: order.notify_url })

  return {
    /** The pending retries and their times: ISO 8601, on the emulator's clock. */
    scheduled: (): Scheduled[] => [...pending.values()].filter(({ number }) => number > 1).map(({ message, number, since }) =>
      ({ ...pick(message), attempt: number, at: new Date(since + (SCHEDULE[number - 2] ?? 0) * 1000 * state.timeScale).toISOString() })),
    paid (order: Order): void {
      const v3 = order.sign_type === 'RSA'
      enqueue({ about: 'payment', ...about(order), v3, body: v3 ? eventJson('TRANSACTION.SUCCESS', 'transaction', '支付成功', paidJson(order)) : paymentXml(order) })
    },
    /** A combined order has a single notification. */
    combinedPaid (orders: Order[]): void {
      enqueue({ about: 'payment', ...about(orders[0] as Order), v3: true, body: eventJson('TRANSACTION.SUCCESS', 'transaction', '支付成功', combinedJson(orders)) })
    },
    refunded (refund: Refund, order: Order): void {
      const end = { SUCCESS: 'SUCCESS', REFUNDCLOSE: 'CLOSED', CHANGE: 'ABNORMAL', PROCESSING: '' }[refund.refund_status]
      const body = refund.v3
        ? eventJson(`REFUND.${end}`, 'refund', { SUCCESS: '退款成功', CLOSED: '退款关闭', ABNORMAL: '退款异常' }[end as 'SUCCESS'], refundMessage(refund, state.account.mchId, order.sub_mch_id))
        : refundXml(state, refund, subOf(order).sub)
      enqueue({ about: 'refund', out_trade_no: refund.out_trade_no, out_refund_no: refund.out_refund_no, url: refund.notify_url, v3: refund.v3, body })
    },
    /** v2's contract notification, signed like an answer. */
    contractSigned ({ notify_url: url, out_trade_no: number, sub_mch_id: sub }: Contract, values: Values): void {
      const body = v2Xml(signed({ state, signType: 'MD5', apiKey: state.account.apiKey, ...(sub && { sub: { sub_mch_id: sub, sub_appid: '' } }) }, values))
      enqueue({ about: 'event', out_trade_no: number, out_refund_no: '', url, v3: false, body })
    },
    /** Any other v3 event. */
    event ({ url, type, originalType, summary, content, out_trade_no: number = '' }: V3Event): void {
      enqueue({ about: 'event', out_trade_no: number, out_refund_no: '', url, v3: true, body: eventJson(type, originalType, summary, content) })
    },
    /** A deliberately wrong signature, to probe the merchant's verification; not resent. */
    async probe (url: string): Promise<Delivery> {
      return await attempt({ about: 'probe', out_trade_no: '', out_refund_no: '', url, v3: true, body: eventJson('TRANSACTION.SUCCESS', 'transaction', '支付成功', { probe: true }) }, 1)
    },
    /** Resends a notification byte for byte, outside the schedule; v3 headers are signed again. */
    async resend (id: string): Promise<Delivery | undefined> {
      const before = state.deliveries.find(delivery => delivery.id === id)
      return before && await attempt({ ...pick(before), body: before.request.body, v3: 'wechatpay-signature' in before.request.headers }, before.attempt)
    },
    async close (): Promise<void> {
      closed = true
      scheduler.close()
      await poster.close(Promise.all(underWay))
    }
  }
}

/** The next attempt of a notification. */
export type Scheduled = Pick<Delivery, 'about' | 'out_trade_no' | 'out_refund_no' | 'url' | 'attempt'> & { at: string }

const pick = ({ about, out_trade_no: number, out_refund_no: refund, url }: Pick<Delivery, 'about' | 'out_trade_no' | 'out_refund_no' | 'url'>) => ({ about, out_trade_no: number, out_refund_no: refund, url })

export type Notifier = ReturnType<typeof createNotifier>
