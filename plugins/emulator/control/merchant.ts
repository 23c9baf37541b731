/** Control routes for receivers, payers and banks: transfers, complaints, service orders, withdrawals. */
import type { FastifyReply } from 'fastify'
import type { PayV2 } from '../wechat/v2/v2.ts'
import type { PayV3 } from '../wechat/v3/v3.ts'
import { PAYER_ACTIONS } from '../wechat/v3/complaints.ts'
import type { NewComplaint, PayerAction } from '../wechat/v3/complaints.ts'
import { TRANSFER_STATES } from '../wechat/v3/transfers/bills.ts'
import type { TransferState } from '../wechat/v3/transfers/bills.ts'
import { listOf, object, one, optional, schema, text } from './schemas.ts'
import type { Routes } from '../wechat/routes.ts'

export interface MerchantParts { pay: PayV2, v3: PayV3 }

type Named<B = null> = { Params: { number: string }, Querystring: { sub_mch_id?: string }, Body: B }

const SUB = { sub_mch_id: text('A service provider\'s sub-merchant.') }

export function merchantRoutes (app: Routes, { pay: { orders, sharing }, v3: { transfers, batches, complaints, funds, payscore } }: MerchantParts): void {
  const missing = (reply: FastifyReply) => reply.code(404).send({ code: 'NOT_FOUND', message: 'no such number' })
  const over = (reply: FastifyReply, state: string) => reply.code(409).send({ code: 'INVALID_STATE', message: `it is ${state}` })

  const lists = { transfers: transfers.list, batches: batches.list, complaints: complaints.list, withdrawals: funds.list, 'service-orders': payscore.list, shares: sharing.list }
  for (const [name, list] of Object.entries(lists)) {
    app.get(`/${name}`, { schema: schema({ tag: 'orders', summary: `All ${name.replace('-', ' ')}`, answer: listOf('Newest first.') }) }, async () => list())
  }

  const TRANSFER = { tag: 'orders', params: { number: text('out_bill_no') }, query: SUB, answer: 'The transfer.', refusals: [404, 409] } as const
  app.post<Named>('/transfers/:number/confirm', { schema: schema({ ...TRANSFER, summary: 'The receiver of a transfer confirms it', refusals: [404] }) }, async ({ params, query }, reply) =>
    transfers.confirm(params.number, query.sub_mch_id) ?? missing(reply))

  app.post<Named<{ state: TransferState, reason?: string }>>('/transfers/:number/settle', {
    schema: schema({ ...TRANSFER, summary: 'Set the state of a transfer', body: object({ state: one(TRANSFER_STATES, 'SUCCESS, FAIL and CANCELLED are final; the merchant is notified.'), reason: text('For FAIL: WeChat\'s code. Default PAYEE_ACCOUNT_ABNORMAL.') }, ['state']) })
  }, async ({ params, query, body }, reply) => {
    const bill = transfers.find(params.number, query.sub_mch_id)
    if (!bill) return missing(reply)
    return transfers.move(bill, body.state, body.reason) ? bill : over(reply, bill.state)
  })

  app.post<Named<{ state: 'TAKING_EFFECT' | 'CLOSED' }>>('/authorizations/:number/settle', {
    schema: schema({ tag: 'orders', summary: 'A receiver authorizes transfers without confirmation, or revokes that', params: { number: text('out_authorization_no') }, body: object({ state: one(['TAKING_EFFECT', 'CLOSED'], 'The new state.') }, ['state']), answer: 'The authorization.', refusals: [404] })
  }, async ({ params, body }, reply) => transfers.authorize(params.number, body.state) ?? missing(reply))

  app.post<Named<{ failing?: string[], closeReason?: string } | null>>('/batches/:number/settle', {
    schema: schema({ tag: 'orders', summary: 'A batch of transfers is paid out, or closed', params: { number: text('out_batch_no') }, body: optional(object({ failing: { type: 'array', items: { type: 'string' }, description: 'out_detail_no of the details that fail.' }, closeReason: text('Closes the batch: MERCHANT_REVOCATION, OVERDUE_CLOSE.') })), answer: 'The batch.', refusals: [404, 409] })
  }, async ({ params, body }, reply) => {
    const batch = batches.find(params.number)
    if (!batch) return missing(reply)
    return batches.finish(batch, body?.failing, body?.closeReason) ? batch : over(reply, batch.status)
  })

  app.post<{ Body: NewComplaint & { out_trade_no: string, sub_mch_id?: string } }>('/complaints', {
    schema: schema({
      tag: 'orders',
      summary: 'A payer complains about a paid order',
      body: object({ out_trade_no: text('The order\'s out_trade_no.'), sub_mch_id: text('A service provider\'s sub-merchant.'), detail: text('What the payer writes.'), problemType: one(['REFUND', 'SERVICE_NOT_WORK', 'OTHERS'], 'Default REFUND.'), refundAmount: { type: 'integer', minimum: 1, description: 'Fen. Default: all.' }, phone: text('Of the payer.') }, ['out_trade_no', 'detail']),
      answer: 'The complaint.',
      refusals: [404, 409]
    })
  }, async ({ body: { out_trade_no: number, sub_mch_id: sub, ...complaint } }, reply) => {
    const order = orders.find(number, sub)
    if (!order) return missing(reply)
    return order.transaction_id === '' ? over(reply, order.trade_state) : complaints.create(order, complaint)
  })

  app.post<{ Params: { id: string }, Body: { action: PayerAction, detail?: string } }>('/complaints/:id/act', {
    schema: schema({ tag: 'orders', summary: 'The payer continues or ends a complaint', params: { id: text('complaint_id') }, body: object({ action: one(Object.keys(PAYER_ACTIONS), 'continue and respond wait for the merchant; revoke and confirm end the complaint.'), detail: text('What the payer writes.') }, ['action']), answer: 'The complaint.', refusals: [404] })
  }, async ({ params, body }, reply) => complaints.act(params.id, body.action, body.detail) ?? missing(reply))

  app.post<Named<{ status?: 'SUCCESS' | 'FAIL' | 'REFUND' | 'CLOSE', reason?: string } | null>>('/withdrawals/:number/settle', {
    schema: schema({ tag: 'orders', summary: 'A withdrawal succeeds or fails', params: { number: text('out_request_no') }, body: optional(object({ status: one(['SUCCESS', 'FAIL', 'REFUND', 'CLOSE'], 'Default SUCCESS.'), reason: text('The reason of a failure.') })), answer: 'The withdrawal.', refusals: [404] })
  }, async ({ params, body }, reply) => funds.settle(params.number, body?.status ?? 'SUCCESS', body?.reason) ?? missing(reply))

  const SERVICE = { tag: 'orders', params: { number: text('out_order_no') }, answer: 'The service order.', refusals: [404, 409] } as const
  app.post<Named<{ openid?: string } | null>>('/service-orders/:number/confirm', { schema: schema({ ...SERVICE, summary: 'The visitor confirms a service order (payscore)', body: optional(object({ openid: text('Who.') })) }) }, async ({ params, body }, reply) => {
    const order = payscore.find(params.number)
    if (!order) return missing(reply)
    return payscore.confirm(order, body?.openid) ? order : over(reply, order.state)
  })
  app.post<Named>('/service-orders/:number/pay', { schema: schema({ ...SERVICE, summary: 'The money of a finished service order is charged' }) }, async ({ params }, reply) => {
    const order = payscore.find(params.number)
    if (!order) return missing(reply)
    return payscore.collect(order) ? order : over(reply, order.state)
  })
}
