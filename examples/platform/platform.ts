/** A small platform: shops with Official Accounts and merchants of their own, added, changed and removed while it runs. */
import { timingSafeEqual } from 'node:crypto'
import cookie from '@fastify/cookie'
import Fastify from 'fastify'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { openPlatform } from '../../plugins/open-platform.ts'
import type { OpenPlatformOptions } from '../../plugins/open-platform.ts'
import { wechatPay } from '../../plugins/wechat-pay.ts'
import { assets } from '../shop/assets.ts'
import { orderPage, shopPage, SCRIPT } from './pages.ts'
import type { Records, Shop } from './records.ts'

export interface PlatformOptions {
  records: Records
  /** The platform's public origin. */
  origin: string
  /** Bearer token for the admin routes: at least 32 characters. */
  adminKey: string
  /** Signs the session cookies; the same in all processes. */
  sessionSecret: string
  /** The third-party platform's keys, from open.weixin.qq.com: shops without an appSecret authorize it. */
  component?: Pick<OpenPlatformOptions, 'componentAppId' | 'componentAppSecret' | 'token' | 'encodingAesKey' | 'endpoints'>
  /** The URL of the emulator's bridge script for a shop; omit inside the real WeChat. */
  bridge?: (shop: string) => string | undefined
}

const SESSION = 'platform_session'
const failed = (statusCode: number, message: string) => Object.assign(new Error(message), { statusCode })
const baseOf = (id: string) => `/s/${encodeURIComponent(id)}`

export async function createPlatform ({ records, origin, adminKey, sessionSecret, component, bridge = () => undefined }: PlatformOptions) {
  const app: FastifyInstance = Fastify()
  await app.register(cookie, { secret: sessionSecret })
  await assets(app)

  /** The visitor logged in at this shop; a login at one shop is not valid at another. */
  function visitorOf (request: FastifyRequest, shop: string): string {
    const { valid, value } = request.unsignCookie(request.cookies[SESSION] ?? '')
    const session = valid && value ? JSON.parse(value) as { shop: string, openid: string } : undefined
    if (session?.shop !== shop) throw failed(401, 'log in first')
    return session.openid
  }

  // In production, a preHandler must only let the shop's staff start an authorization.
  if (component) {
    await app.register(openPlatform, {
      ...component,
      origin,
      onAuthorized: ({ appId, refreshToken }) => records.saveRefreshToken(appId, refreshToken),
      refreshTokenOf: appId => records.refreshTokenOf(appId),
      onUnauthorized: appId => records.removeRefreshToken(appId)
    })
  }

  await app.register(wechatPay, {
    prefix: '/s/:account/wechat',
    accounts: {
      async find (id) {
        const shop = await records.shop(id)
        const merchant = shop?.wechat.merchant
        // A shop without an appSecret uses the platform's authorization, if it has given one.
        const byPlatform = shop && !shop.wechat.appSecret && component && app.wechatOpenPlatform.authorizer(shop.wechat.appId)
        return shop && { ...byPlatform, ...shop.wechat, ...(merchant && { merchant: { ...merchant, notifyUrl: `${origin}${baseOf(id)}/wechat/notify` } }) }
      },
      maxAge: 60
    },
    origin,
    onLogin (user, request, reply) {
      const { id } = request.wechatAccount
      reply.setCookie(SESSION, JSON.stringify({ shop: id, openid: user.openid }), { signed: true, path: baseOf(id), httpOnly: true, sameSite: 'lax', secure: process.env.NODE_ENV === 'production' })
    },
    // The page only names the order; price and buyer come from the records.
    async order (request) {
      const { id } = request.wechatAccount
      const order = await records.order(id, String((request.body as { outTradeNo?: unknown } | null)?.outTradeNo))
      if (!order || order.openid !== visitorOf(request, id)) throw failed(404, 'no such order')
      return { outTradeNo: order.outTradeNo, description: 'Coffee', amount: order.amount, openid: order.openid }
    },
    expected: (outTradeNo, { account }) => records.order(account.id, outTradeNo),
    onPayment: (payment, { account }) => records.markPaid(account.id, payment.outTradeNo, payment.transactionId),
    unfinished: () => records.unfinished()
  })

  async function shopOf (request: FastifyRequest): Promise<Shop> {
    const shop = await records.shop((request.params as { shop: string }).shop)
    if (!shop) throw failed(404, 'no such shop')
    return shop
  }

  app.get('/assets/platform.js', async (_request, reply) => reply.type('text/javascript; charset=utf-8').send(SCRIPT))

  app.get('/s/:shop', async (request, reply) => {
    const shop = await shopOf(request)
    let isKnown = true
    try { visitorOf(request, shop.id) } catch { isKnown = false }
    return reply.type('text/html; charset=utf-8').send(shopPage(shop, baseOf(shop.id), isKnown, bridge(shop.id)))
  })

  app.post('/s/:shop/orders', async request => {
    const shop = await shopOf(request)
    return { outTradeNo: (await records.place(shop, visitorOf(request, shop.id))).outTradeNo }
  })

  app.get('/s/:shop/orders/:number', async (request, reply) => {
    const shop = await shopOf(request)
    const order = await records.order(shop.id, (request.params as { number: string }).number)
    if (!order || order.openid !== visitorOf(request, shop.id)) throw failed(404, 'no such order')
    return reply.type('text/html; charset=utf-8').send(orderPage(shop, order))
  })

  app.register(async admin => {
    const key = Buffer.from(adminKey)
    admin.addHook('onRequest', async request => {
      const given = Buffer.from(String(request.headers.authorization).replace(/^Bearer /, ''))
      if (key.length < 32 || given.length !== key.length || !timingSafeEqual(given, key)) throw failed(404, 'not here')
    })
    admin.put<{ Params: { shop: string }, Body: Omit<Shop, 'id'> }>('/:shop', async (request, reply) => {
      const { name, price, wechat } = request.body
      await records.saveShop({ id: request.params.shop, name, price, wechat })
      // Takes effect in this process immediately, in others after maxAge.
      app.wechatAccounts.forget(request.params.shop)
      return reply.code(204).send()
    })
    admin.delete<{ Params: { shop: string } }>('/:shop', async (request, reply) => {
      await records.removeShop(request.params.shop)
      app.wechatAccounts.forget(request.params.shop)
      return reply.code(204).send()
    })
    admin.get('/', async () => app.wechatAccounts.status())
  }, { prefix: '/admin/shops' })

  app.addHook('onClose', async () => records.close())
  return app
}
