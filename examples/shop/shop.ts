/** A small shop inside WeChat: product page, login, order, payment, order page. */
import { randomBytes } from 'node:crypto'
import Fastify from 'fastify'
import type { FastifyInstance } from 'fastify'
import { wechatPay } from '../../plugins/wechat-pay.ts'
import type { WechatError, WechatPayOptions } from '../../plugins/wechat-pay.ts'
import { assets } from './assets.ts'
import { createOrders } from './orders.ts'
import type { Orders, ShopOrder } from './orders.ts'
import { answerErrors, ShopError } from './errors.ts'
import { languageOf, rememberLanguage } from './language.ts'
import { orderPage, productPage, refusedPage } from './pages.ts'
import { sessions } from './session.ts'

export interface ShopOptions {
  /** A real account's configuration, or the answer of the emulator's `/_emulator/config`. */
  account: Pick<WechatPayOptions, 'appId' | 'appSecret' | 'merchant' | 'version' | 'endpoints' | 'http' | 'redis'>
  /** The shop's public origin. */
  origin?: string
  /** The URL of the emulator's bridge script; omit inside the real WeChat. */
  bridge?: string
  /** The database. Default: in memory. */
  orders?: Orders
  /** Signs the session cookies; the same in all processes. Default: generated. */
  sessionSecret?: string
  /** Fastify's trustProxy, behind a proxy that sets X-Forwarded-For. */
  trustProxy?: boolean
  logger?: boolean
}

const isExpired = ({ expiresAt }: ShopOrder) => expiresAt.getTime() < Date.now()

const notFound = () => new ShopError(404, 'noOrder')

export async function createShop ({ account, origin, bridge, orders: given, sessionSecret = randomBytes(32).toString('hex'), trustProxy = false, logger = false }: ShopOptions) {
  const app: FastifyInstance = Fastify({ logger, trustProxy })
  const orders = given ?? await createOrders()
  app.addHook('onClose', async () => orders.close())
  const session = await sessions(app, sessionSecret)
  rememberLanguage(app)
  answerErrors(app)
  await assets(app)

  await app.register(wechatPay, {
    ...account,
    ...(origin && { origin }),
    onLogin: (user, _request, reply) => session.begin(reply, { openid: user.openid, nickname: user.nickname ?? '' }),
    onRefuse: (request, reply) => reply.type('text/html; charset=utf-8').send(refusedPage(languageOf(request))),
    // The page only names the order; price and buyer come from the database.
    async order (request) {
      const { outTradeNo } = (request.body ?? {}) as { outTradeNo?: unknown }
      const order = await orders.find(String(outTradeNo))
      const visitor = session.visitor(request)
      if (!order || order.openid !== visitor?.openid) throw notFound()
      if (isExpired(order)) throw new ShopError(409, 'closed')
      return { outTradeNo: order.outTradeNo, description: order.title[order.language], amount: order.amount, openid: order.openid }
    },
    expected: outTradeNo => orders.find(outTradeNo),
    onPayment: payment => orders.markPaid(payment.outTradeNo, payment),
    unfinished: () => orders.unfinished()
  })

  const html = 'text/html; charset=utf-8'

  app.get('/', async (request, reply) => reply.type(html).send(productPage(languageOf(request), session.visitor(request), bridge)))

  app.post('/orders', async request => {
    const visitor = session.visitor(request)
    if (!visitor) throw new ShopError(401, 'logInFirst')
    return { outTradeNo: (await orders.place(visitor.openid, languageOf(request))).outTradeNo }
  })

  async function ownOrder (request: Parameters<typeof session.visitor>[0]) {
    const order = await orders.find((request.params as { number: string }).number)
    if (!order || order.openid !== session.visitor(request)?.openid) throw notFound()
    return order
  }

  app.get('/orders/:number', async (request, reply) => {
    const order = await ownOrder(request)
    const outcome = order.paid ? 'paid' : isExpired(order) ? 'expired' : 'cancelled' in (request.query as object) ? 'cancelled' : 'waiting'
    return reply.type(html).send(orderPage(languageOf(request), order, outcome, bridge))
  })

  app.get('/orders/:number/state', async request => ({ paid: (await ownOrder(request)).paid !== undefined }))

  // Query WeChat in case its notification is lost; a payment found this way is handled once, together with the notification.
  app.post('/orders/:number/check', async request => {
    const order = await ownOrder(request)
    if (order.paid) return { paid: true }
    const found = await app.wechatPay.query({ outTradeNo: order.outTradeNo }).catch((error: WechatError) => {
      // The buyer left before the order was placed at WeChat.
      if (error.statusCode === 404) return undefined
      throw error
    })
    if (!found || !('transactionId' in found)) return { paid: false }
    await app.wechatNotify.deliver(found)
    return { paid: (await orders.find(order.outTradeNo))?.paid !== undefined }
  })

  app.get('/health', async () => ({ token: app.wechatToken.status(), reconcile: app.wechatReconcile.status().report ?? null }))

  return { app, orders }
}
