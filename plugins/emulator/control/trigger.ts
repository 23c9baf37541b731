/** An event on demand, with what it is about: an order that was paid, a refund that ended. For apps that have placed none. */
import type { FastifyInstance } from 'fastify'
import { awaitDelivery } from '../notifications/await-delivery.ts'
import { chinaTime } from '../state/state.ts'
import type { Delivery, Refund, State } from '../state/state.ts'
import type { OrderParts } from './orders.ts'
import { object, schema, text } from './schemas.ts'

interface Wanted { event: string, url: string, out_trade_no?: string, amount?: number, v2?: boolean, content?: object }

/** What a refund's event says of it. */
const REFUNDS: Record<string, Exclude<Refund['refund_status'], 'PROCESSING'>> = { refund: 'SUCCESS', 'REFUND.SUCCESS': 'SUCCESS', 'REFUND.CLOSED': 'REFUNDCLOSE', 'REFUND.ABNORMAL': 'CHANGE' }
const PAYMENTS = ['payment', 'TRANSACTION.SUCCESS']

/** Milliseconds until a notification that a fault has met is given up. */
const PATIENCE = 7000

export function triggerRoute (app: FastifyInstance, state: State, { pay: { orders, refunds }, notifier }: OrderParts): void {
  app.post<{ Body: Wanted }>('/trigger', {
    schema: schema({
      tag: 'notifications',
      summary: 'An event, sent with what it is about',
      body: object({
        event: text(`${[...PAYMENTS, ...Object.keys(REFUNDS)].join(', ')}; or, with content, any event_type of APIv3.`),
        url: text('The notify_url.'),
        out_trade_no: text('Made up where it is not given.'),
        amount: { type: 'integer', minimum: 1, description: 'Fen. Default 100.' },
        v2: { type: 'boolean', description: 'Of payment and refund: as v2 sends them.' },
        content: { type: 'object', additionalProperties: true, description: 'Of any other event: what is encrypted.' }
      }, ['event', 'url']),
      answer: 'The delivery.',
      refusals: [409]
    })
  }, async ({ body }, reply) => {
    if (!/^https?:\/\//.test(body.url) || !URL.canParse(body.url)) return reply.code(400).send({ code: 'PARAM_ERROR', message: 'url must be an http(s) address' })
    const refundEnd = REFUNDS[body.event]
    const isPayment = PAYMENTS.includes(body.event)
    if (!isPayment && !refundEnd && !body.content) return reply.code(400).send({ code: 'PARAM_ERROR', message: `${body.event} needs content; without it there are ${[...PAYMENTS, ...Object.keys(REFUNDS)].join(', ')}` })
    const before = new Set(state.deliveries)
    const sent = (about: Delivery['about']) => awaitDelivery(state, delivery => !before.has(delivery) && delivery.about === about && delivery.url === body.url, PATIENCE)
      .catch(() => reply.code(409).send({ code: 'NOT_SENT', message: 'a notification fault stopped it: see wechat-emulator faults' }))

    if (!isPayment && !refundEnd) {
      notifier.event({ url: body.url, type: body.event, originalType: body.event.split('.')[0]?.toLowerCase() ?? '', summary: body.event, content: body.content as object })
      return await sent('event')
    }
    const number = body.out_trade_no ?? `T${chinaTime(state.now())}${state.random.digits(6)}`
    if (orders.find(number)) return reply.code(409).send({ code: 'OUT_TRADE_NO_USED', message: 'there is such an order: pay it, or refund it' })
    const order = orders.add({ out_trade_no: number, trade_type: 'JSAPI', body: `triggered: ${body.event}`, total_fee: body.amount ?? 100, openid: state.users[0]?.openid ?? '', notify_url: body.url, sign_type: body.v2 ? 'MD5' : 'RSA', time_expire: '' }, 'placed')
    orders.pay(order)
    if (!refundEnd) {
      notifier.paid(order)
      return await sent('payment')
    }
    const refund = refunds.add(order, { number: `${number}R`, fee: order.total_fee, reason: '', notifyUrl: body.url, account: '', v3: !body.v2 })
    refunds.settle(refund, refundEnd)
    return await sent('refund')
  })
}
