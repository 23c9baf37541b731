/** Places orders: decorates `app.wechatPay`; `POST /pay` (JSON or form) returns the parameters of `wx.chooseWXPay`. */
import { isIP } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { WechatConfigError } from '../src/errors.ts'
import type { Merchant } from '../src/pay/merchant.ts'
import type { H5Order, JsapiOrder, NativeOrder, Order } from '../src/pay/order.ts'
import type { WechatPay } from '../src/pay/pay.ts'
import { accountsOf, findAccounts } from './accounts.ts'
import { checkPluginOptions, expose, noStore, routeOf, runHandler, scopeOf } from './common.ts'
import type { CommonOptions, Namespaced, WithAccounts } from './common.ts'
import { acceptForms } from './forms.ts'
import type { ProductHandler } from './native-callback.ts'
import { NATIVE, PAY } from './schemas.ts'

/** How the page pays; the route returns the parameters for it. Default `jsapi`. */
export type PayableOrder =
  | JsapiOrder & { way?: 'jsapi' | 'miniProgram' }
  | Order & { way: 'app' }
  | NativeOrder & { way: 'native' }
  | Omit<H5Order, 'clientIp'> & { way: 'h5', clientIp?: string }

export interface PayPluginOptions extends CommonOptions {
  merchant: Merchant
  /** Which version places orders, if `merchant` has both. Default v3. */
  version?: 'v2' | 'v3'
  /**
   * Returns the order to pay, from your own records: amounts in the page's request are never used.
   * Errors it throws reach the page unchanged. Without it, the route is not added.
   */
  order?: (request: FastifyRequest, reply: FastifyReply) => PayableOrder | Promise<PayableOrder>
  /** NATIVE mode 1: returns the order for a product whose QR code was scanned. Adds the route `POST /native`, which WeChat calls. */
  product?: ProductHandler
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Not with `accounts`: each account has its own, `(await app.wechatAccounts.get(id)).pay`. */
    wechatPay: Namespaced<WechatPay>
  }
}

const WAYS = ['jsapi', 'miniProgram', 'app', 'native', 'h5'] as const

export const pay = fp<PayPluginOptions | WithAccounts<PayPluginOptions>>(async (app, options) => {
  const { order: orderOf, product, namespace } = options
  checkPluginOptions(app, 'pay', options)
  const accounts = await accountsOf(app, options)
  const { only } = accounts
  if (only) expose(app, 'wechatPay', only.pay, namespace)
  const place = scopeOf(options)

  if (orderOf) {
    app.register(async scope => {
      await acceptForms(scope)
      findAccounts(scope, accounts)
      scope.addHook('onSend', noStore)
      scope.post('/pay', routeOf(options, PAY), async (request, reply) => {
        const { isAnswered, value } = await runHandler(reply, () => orderOf(request, reply))
        if (isAnswered) return reply
        if (value === undefined || value === null) throw new WechatConfigError('order', 'must return an order, or answer the request')
        const order = { ...value } as JsapiOrder & H5Order & { way?: typeof WAYS[number] }
        const { way = 'jsapi' } = order
        if (!WAYS.includes(way)) throw new WechatConfigError('order', `must return an order whose way is one of ${WAYS.join(', ')}`)
        // WeChat requires the payer's IP address; Fastify's trustProxy determines it.
        const clientIp = order.clientIp ?? payerIp(request)
        if (clientIp !== undefined) order.clientIp = clientIp
        return await request.wechatAccount.pay[way](order)
      })
    }, place)
  }

  if (product) {
    const { nativeCallback, v2Of } = await import('./native-callback.ts')
    if (only) v2Of(only)
    app.register(nativeCallback, { ...place, accounts, product, route: routeOf(options, NATIVE) })
  }
}, { fastify: '5.x', name: 'fastify-wechat-pay/pay' })

/** Proxies write ports, brackets, `unknown` and so on into X-Forwarded-For: returns the farthest valid address, if any. */
function payerIp ({ ip, ips }: FastifyRequest): string | undefined {
  if (ips === undefined && isIP(ip) === 4) return ip
  // On a Unix socket, and after the page has disconnected, there is no address.
  const known: ReadonlyArray<string | undefined> = ips ?? [ip]
  return known.filter(address => address !== undefined).toReversed().map(bareIp).find(address => isIP(address) !== 0)
}

const bareIp = (address: string): string => {
  const inner = /^\[([^\]]+)\](?::\d+)?$/.exec(address)?.[1] ?? (/^[\d.]+:\d+$/.test(address) ? address.slice(0, address.indexOf(':')) : address)
  return inner.replace(/^::ffff:(?=[\d.]+$)/i, '').replace(/%.*$/, '')
}

export default pay
export type { JsapiOrder, Merchant, WechatPay }
export type { H5Order, MicropayOrder, NativeOrder, Order, Payment, UnpaidOrder } from '../src/pay/order.ts'
export type { Refund, RefundRequest } from '../src/pay/refund.ts'
