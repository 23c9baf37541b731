/** A small shop inside WeChat: product page, login, order, payment, order page. */
import { randomBytes } from 'node:crypto'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import { wechatPay } from '../../plugins/wechat-pay.ts'
import type { WechatPayOptions } from '../../plugins/wechat-pay.ts'
import { assets } from './assets.ts'
import { createOrders } from './orders.ts'
import type { Orders } from './orders.ts'
import { languageOf, orderPage, productPage, refusedPage } from './pages.ts'
import { sessions } from './session.ts'

export interface ShopOptions {
  /** What the emulator's `/_emulator/config` answers, or a real account's. */
  account: Pick<WechatPayOptions, 'appId' | 'appSecret' | 'merchant' | 'version' | 'endpoints' | 'http' | 'redis'>
  /** Where browsers reach the shop. */
  origin?: string
  /** The emulator's bridge script; leave out inside the real WeChat. */
  bridge?: string
  /** Its records. Default: in memory, gone with the process. */
  orders?: Orders
  /** Signs the sessions' cookies; the same in all processes. Default: made up. */
  sessionSecret?: string
  /** Behind a proxy that says who asks. */
  trustProxy?: boolean
  logger?: boolean
}

const notFound = () => Object.assign(new Error('no such order'), { statusCode: 404 })
const loginFirst = () => Object.assign(new Error('log in first'), { statusCode: 401 })

export async function createShop ({ account, origin, bridge, orders: given, sessionSecret = randomBytes(32).toString('hex'), trustProxy = false, logger = false }: ShopOptions) {
  const app: FastifyInstance = Fastify({ logger, trustProxy })
  const orders = given ?? await createOrders()
  app.addHook('onClose', async () => orders.close())
  const session = await sessions(app, sessionSecret)
  await assets(app)

  await app.register(wechatPay, {
    ...account,
    ...(origin && { origin }),
    onLogin: (user, _request, reply) => session.begin(reply, { openid: user.openid, nickname: user.nickname ?? '' }),
    onRefuse: (request, reply) => reply.type('text/html; charset=utf-8').send(refusedPage(languageOf(request))),
    // The page names an order; what it costs and whose it is, the shop knows.
    async order (request) {
      const { outTradeNo } = (request.body ?? {}) as { outTradeNo?: unknown }
      const order = await orders.find(String(outTradeNo))
      const visitor = session.visitor(request)
      if (!order || order.openid !== visitor?.openid) throw notFound()
      return { outTradeNo: order.outTradeNo, description: order.title, amount: order.amount, openid: order.openid }
    },
    expected: outTradeNo => orders.find(outTradeNo),
    onPayment: payment => orders.markPaid(payment.outTradeNo, payment),
    unfinished: () => orders.unfinished()
  })

  const html = 'text/html; charset=utf-8'

  app.get('/', async (request, reply) => reply.type(html).send(productPage(languageOf(request), session.visitor(request), bridge)))

  app.post('/orders', async request => {
    const visitor = session.visitor(request)
    if (!visitor) throw loginFirst()
    return { outTradeNo: (await orders.place(visitor.openid)).outTradeNo }
  })

  async function ownOrder (request: Parameters<typeof session.visitor>[0]) {
    const order = await orders.find((request.params as { number: string }).number)
    if (!order || order.openid !== session.visitor(request)?.openid) throw notFound()
    return order
  }

  app.get('/orders/:number', async (request, reply) =>
    reply.type(html).send(orderPage(languageOf(request), await ownOrder(request), 'cancelled' in (request.query as object), bridge)))

  app.get('/orders/:number/state', async request => ({ paid: (await ownOrder(request)).paid !== undefined }))

  app.get('/health', async () => ({ token: app.wechatToken.status(), reconcile: app.wechatReconcile.status().report ?? null }))

  return { app, orders }
}
