/** Control routes for orders and refunds. */
import type { FastifyReply } from 'fastify'
import type { Notifier } from '../notifications/notifier.ts'
import { scan } from '../wechat/browser/scan.ts'
import type { PayV2 } from '../wechat/v2/v2.ts'
import type { PayV3 } from '../wechat/v3/v3.ts'
import { chinaTime, userOf } from '../state/state.ts'
import type { AuthCodeBehaviour, Order, Refund, State } from '../state/state.ts'
import { listOf, object, one, optional, schema, text } from './schemas.ts'
import type { Routes } from '../wechat/routes.ts'

export interface OrderParts { pay: PayV2, v3: PayV3, notifier: Notifier }

type Named = { Params: { number: string } }
type OrderRoute = Named & { Querystring: { sub_mch_id?: string }, Body: { openid?: string } | null }

const SUB = { sub_mch_id: text('A service provider\'s sub-merchant.') }
const PAYER = optional(object({ openid: text('The payer, a known visitor. Default: the order\'s own, or the first.') }))
const ORDER = { tag: 'orders', params: { number: text('out_trade_no') }, query: SUB, answer: 'The order.' } as const

/** Final states of a refund, by v2's and v3's names. */
const ENDS = { SUCCESS: 'SUCCESS', REFUNDCLOSE: 'REFUNDCLOSE', CHANGE: 'CHANGE', CLOSED: 'REFUNDCLOSE', ABNORMAL: 'CHANGE' } as const satisfies Record<string, Refund['refund_status']>
export type RefundEnd = keyof typeof ENDS

export function orderRoutes (app: Routes, state: State, { pay: { orders, refunds }, v3, notifier }: OrderParts): void {
  const missing = (reply: FastifyReply, code: string) => reply.code(404).send({ code, message: 'no such number' })

  app.get('/orders', { schema: schema({ tag: 'orders', summary: 'All orders', answer: listOf('Orders, oldest first.') }) }, async () =>
    [...state.orders.values()].map(order => orders.find(order.out_trade_no, order.sub_mch_id)))

  app.get<OrderRoute>('/orders/:number', { schema: schema({ ...ORDER, summary: 'One order, with its timeline', refusals: [404] }) }, async ({ params, query }, reply) =>
    orders.find(params.number, query.sub_mch_id) ?? missing(reply, 'ORDERNOTEXIST'))

  app.post<OrderRoute>('/orders/:number/pay', { schema: schema({ ...ORDER, summary: 'The visitor pays', body: PAYER, refusals: [404, 409] }) }, async ({ params, query, body }, reply) => {
    const order = orders.find(params.number, query.sub_mch_id)
    if (!order) return missing(reply, 'ORDERNOTEXIST')
    if (!orders.pay(order, body?.openid)) return reply.code(409).send({ code: order.trade_state === 'SUCCESS' ? 'ORDERPAID' : 'ORDERCLOSED', message: `the order is ${order.trade_state}` })
    notifier.paid(order)
    return order
  })

  app.post<OrderRoute>('/orders/:number/expire', { schema: schema({ ...ORDER, summary: 'The order expires', refusals: [404, 409] }) }, async ({ params, query }, reply) => {
    const order = orders.find(params.number, query.sub_mch_id)
    if (!order) return missing(reply, 'ORDERNOTEXIST')
    if (order.trade_state !== 'NOTPAY') return reply.code(409).send({ code: 'TRADE_STATE_ERROR', message: `the order is ${order.trade_state}` })
    order.time_expire = chinaTime(state.now())
    return orders.find(params.number, query.sub_mch_id)
  })

  app.post<OrderRoute>('/orders/:number/cancel', { schema: schema({ ...ORDER, summary: 'The visitor cancels at the cashier', refusals: [404] }) }, async ({ params, query }, reply) => {
    const order = orders.find(params.number, query.sub_mch_id)
    if (!order) return missing(reply, 'ORDERNOTEXIST')
    orders.cancel(order)
    return order
  })

  app.post<OrderRoute & { Body: { amount?: number } | null }>('/orders/:number/refund', {
    schema: schema({ ...ORDER, summary: 'The merchant refunds in the web console', body: optional(object({ amount: { type: 'integer', minimum: 1, description: 'Fen. Default: the rest.' } })), answer: 'The refund.', refusals: [404, 409] })
  }, async ({ params, query, body }, reply) => {
    const order = orders.find(params.number, query.sub_mch_id)
    if (!order) return missing(reply, 'ORDERNOTEXIST')
    const left = order.transaction_id === '' ? 0 : refunds.left(order)
    const fee = body?.amount ?? left
    if (fee < 1 || fee > left) return reply.code(409).send({ code: 'REFUND_FEE_MISMATCH', message: `${left} fen can be refunded` })
    return refunds.add(order, { number: `console${state.random.digits(20)}`, fee, reason: '商户平台退款', notifyUrl: order.notify_url, account: '', v3: order.sign_type === 'RSA' })
  })

  app.get('/refunds', { schema: schema({ tag: 'orders', summary: 'All refunds', answer: listOf('Refunds, oldest first.') }) }, async () => [...state.refunds.values()])

  app.post<Named & { Body: { status?: keyof typeof ENDS } | null }>('/refunds/:number/settle', {
    schema: schema({ tag: 'orders', summary: 'Settle a refund now', params: { number: text('out_refund_no') }, body: optional(object({ status: one(Object.keys(ENDS), 'A v2 or APIv3 status: REFUNDCLOSE is CLOSED, CHANGE is ABNORMAL. Default SUCCESS.') })), answer: 'The refund.', refusals: [404] })
  }, async ({ params, body }, reply) => {
    const refund = state.refunds.get(params.number)
    if (!refund) return missing(reply, 'REFUNDNOTEXIST')
    refunds.settle(refund, ENDS[body?.status ?? 'SUCCESS'])
    return refund
  })

  app.post<{ Body: { behaviour?: AuthCodeBehaviour, openid?: string } | null }>('/auth-codes', {
    schema: schema({ tag: 'orders', summary: 'Create a payment code for pay by code', body: optional(object({ behaviour: one(['pays', 'asks', 'poor', 'expired'], 'What happens when it is scanned. Default pays.'), openid: text('The payer.') })), answer: 'The code.' })
  }, async ({ body }) => {
    const code = `1${state.random.below(6)}${state.random.digits(16)}`
    state.authCodes.set(code, { user: userOf(state, body?.openid), behaviour: body?.behaviour ?? 'pays', usedFor: '' })
    return { auth_code: code }
  })

  app.post<{ Body: { url: string, openid?: string } }>('/scan', {
    schema: schema({ tag: 'orders', summary: 'A visitor scans a QR code of NATIVE payments', body: object({ url: text('The text of the code.'), openid: text('The visitor who scans it.') }, ['url']), answer: 'The order of the code.', refusals: [409] })
  }, async ({ body }, reply) => {
    const outcome = await scan(body.url, state, orders, body.openid)
    return typeof outcome === 'string' ? reply.code(409).send({ code: 'CANNOT_PAY', message: outcome }) : outcome
  })

  app.post<Named & { Body: { openid?: string } | null }>('/combines/:number/pay', {
    schema: schema({ tag: 'orders', summary: 'The visitor pays a combined order', params: { number: text('combine_out_trade_no') }, body: PAYER, answer: listOf('Its orders.'), refusals: [404, 409] })
  }, async ({ params, body }, reply) => {
    const parts: Order[] = v3.combined.partsOf(params.number)
    if (parts.length === 0) return missing(reply, 'ORDER_NOT_EXIST')
    return v3.combined.payCombined(params.number, body?.openid) ? parts : reply.code(409).send({ code: 'ORDERPAID', message: 'the order cannot be paid' })
  })
}
