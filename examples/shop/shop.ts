/** A small shop inside WeChat: product page, login, order, payment, order page. */
import { randomBytes } from 'node:crypto'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import { wechatPay } from '../../plugins/wechat-pay.ts'
import type { WechatPayOptions } from '../../plugins/wechat-pay.ts'
import { assets } from './assets.ts'
import { createOrders } from './orders.ts'
import type { ShopOrder } from './orders.ts'
import { languageOf, orderPage, productPage, refusedPage } from './pages.ts'
import { sessions } from './session.ts'

export interface ShopOptions {
  /** What the emulator's `/_emulator/config` answers, or a real account's. */
  account: Pick<WechatPayOptions, 'appId' | 'appSecret' | 'merchant' | 'version' | 'endpoints' | 'http' | 'redis'>
  /** Where browsers reach the shop. */
  origin?: string
  /** The emulator's bridge script; leave out inside the real WeChat. */
  bridge?: string
  logger?: boolean
}

const notFound = () => Object.assign(new Error('no such order'), { statusCode: 404 })
const loginFirst = () => Object.assign(new Error('log in first'), { statusCode: 401 })

export async function createShop ({ account, origin, bridge, logger = false }: ShopOptions) {
  const app: FastifyInstance = Fastify({ logger })
  const orders = createOrders()
  const session = await sessions(app, randomBytes(32).toString('hex'))
  await assets(app)

  await app.register(wechatPay, {
    ...account,
    ...(origin && { origin }),
    onLogin: (user, _request, reply) => session.begin(reply, { openid: user.openid, nickname: user.nickname ?? '' }),
    onRefuse: (request, reply) => reply.type('text/html; charset=utf-8').send(refusedPage(languageOf(request))),
    // The page names an order; what it costs and whose it is, the shop knows.
    order (request) {
      const { outTradeNo } = (request.body ?? {}) as { outTradeNo?: unknown }
      const order = orders.find(String(outTradeNo))
      const visitor = session.visitor(request)
      if (!order || order.openid !== visitor?.openid) throw notFound()
      return { outTradeNo: order.outTradeNo, description: order.title, amount: order.amount, openid: order.openid }
    },
    expected: outTradeNo => orders.find(outTradeNo),
    onPayment (payment) {
      // It exists: expected() has just found it.
      const order = orders.find(payment.outTradeNo) as ShopOrder
      order.paid = { transactionId: payment.transactionId, at: payment.paidAt }
      order.handled++
    }
  })

  const html = 'text/html; charset=utf-8'

  app.get('/', async (request, reply) => reply.type(html).send(productPage(languageOf(request), session.visitor(request), bridge)))

  app.post('/orders', async request => {
    const visitor = session.visitor(request)
    if (!visitor) throw loginFirst()
    return { outTradeNo: orders.place(visitor.openid).outTradeNo }
  })

  function ownOrder (request: Parameters<typeof session.visitor>[0]) {
    const order = orders.find((request.params as { number: string }).number)
    if (!order || order.openid !== session.visitor(request)?.openid) throw notFound()
    return order
  }

  app.get('/orders/:number', async (request, reply) =>
    reply.type(html).send(orderPage(languageOf(request), ownOrder(request), 'cancelled' in (request.query as object), bridge)))

  app.get('/orders/:number/state', async request => ({ paid: ownOrder(request).paid !== undefined }))

  return { app, orders }
}
