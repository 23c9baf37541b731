/** The emulator's own interface: JSON under /_emulator. It plays the visitor and shows what WeChat knows. */
import type { FastifyInstance, FastifyReply } from 'fastify'
import type { Notifier } from './notifier.ts'
import type { OfficialAccount } from './official-account.ts'
import type { PayV2 } from './pay-v2.ts'
import { bodyJson } from './wire.ts'
import type { Order, World } from './world.ts'

export function control (app: FastifyInstance, world: World, account: OfficialAccount, pay: PayV2, notifier: Notifier): void {
  app.get('/_emulator/config', async request => {
    const { appId, appSecret, mchId, apiKey } = world.account
    const here = `${request.protocol}://${request.host}${app.prefix}`
    return { appId, appSecret, merchant: { mchId, v2: { apiKey } }, endpoints: { api: here, open: here, pay: here, payBackup: here } }
  })

  app.get('/_emulator/orders', async () => [...world.orders.keys()].map(number => pay.find(number)))

  type OrderRoute = { Params: { number: string } }
  const orderPath = '/_emulator/orders/:number'

  /** Finds the order, or answers 404. */
  const withOrder = (reply: FastifyReply, number: string, act: (order: Order) => unknown) => {
    const order = pay.find(number)
    return order ? act(order) : reply.code(404).send({ code: 'ORDERNOTEXIST', message: 'no such order' })
  }

  app.get<OrderRoute>(orderPath, async (request, reply) => withOrder(reply, request.params.number, order => order))

  app.post<OrderRoute>(`${orderPath}/pay`, async (request, reply) => withOrder(reply, request.params.number, order => {
    if (!pay.pay(order)) return reply.code(409).send({ code: order.trade_state === 'SUCCESS' ? 'ORDERPAID' : 'ORDERCLOSED', message: `the order is ${order.trade_state}` })
    notifier.notify(order)
    return order
  }))

  app.post<OrderRoute>(`${orderPath}/cancel`, async (request, reply) => withOrder(reply, request.params.number, order => {
    pay.cancel(order)
    return order
  }))

  app.get('/_emulator/notifications', async () => world.deliveries)

  app.post<{ Params: { id: string } }>('/_emulator/notifications/:id/resend', async (request, reply) =>
    await notifier.resend(request.params.id) ?? reply.code(404).send({ code: 'NOT_FOUND', message: 'no such notification' }))

  app.get('/_emulator/tokens', async () => account.counts())

  app.post('/_emulator/tokens/expire', async request => {
    account.expire(bodyJson(request)?.tickets === true)
    return account.counts()
  })
}
