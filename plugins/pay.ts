/** Places orders: decorates `app.wechatPay`; `POST /pay` (JSON or form) answers what the page hands to `wx.chooseWXPay`. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Merchant } from '../src/pay/merchant.ts'
import type { JsapiOrder } from '../src/pay/order.ts'
import { createPay } from '../src/pay/pay.ts'
import type { WechatPay } from '../src/pay/pay.ts'
import { expose, noStore, prefixOf } from './common.ts'
import type { CommonOptions, Namespaced } from './common.ts'
import { acceptForms } from './forms.ts'

export interface PayPluginOptions extends CommonOptions {
  merchant: Merchant
  /**
   * The order that this request wants to pay, from the host's own records: nothing in the page's request is an amount.
   * What it throws reaches the page as it is. Without it, the route is not added.
   */
  order?: (request: FastifyRequest, reply: FastifyReply) => JsapiOrder | Promise<JsapiOrder>
}

declare module 'fastify' {
  interface FastifyInstance {
    wechatPay: Namespaced<WechatPay>
  }
}

export const pay = fp<PayPluginOptions>(async (app, options) => {
  const { order: orderOf, namespace } = options
  const client = createPay(options)
  expose(app, 'wechatPay', client, namespace)
  if (!orderOf) return

  app.register(async scope => {
    await acceptForms(scope)
    scope.addHook('onSend', noStore)
    scope.post('/pay', async (request, reply) => {
      const order = await orderOf(request, reply)
      // WeChat wants the payer's address; Fastify's trustProxy decides whose it is.
      return await client.jsapi(order && { ...order, clientIp: order.clientIp ?? request.ip.replace(/^::ffff:/, '') })
    })
  }, { prefix: prefixOf(options) })
}, { fastify: '5.x', name: 'fastify-wechat-pay/pay' })

export default pay
export type { JsapiOrder, Merchant, WechatPay }
export type { Order, Payment, UnpaidOrder } from '../src/pay/order.ts'
