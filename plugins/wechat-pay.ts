/** All of it in one line: registers the pieces that its options call for. */
import fp from 'fastify-plugin'
import { WechatConfigError } from '../src/errors.ts'
import { checkPluginOptions } from './common.ts'
import { jssdk } from './jssdk.ts'
import type { JssdkOptions } from './jssdk.ts'
import { notify } from './notify.ts'
import type { NotifyOptions } from './notify.ts'
import { oauth } from './oauth.ts'
import type { OAuthOptions } from './oauth.ts'
import { pay } from './pay.ts'
import type { PayPluginOptions } from './pay.ts'
import { reconcile } from './reconcile.ts'
import type { ReconcileOptions } from './reconcile.ts'
import { token } from './token.ts'

/**
 * `appId` and `appSecret` give the token, login and JS-SDK pieces; `onLogin` adds the login routes; `merchant` adds
 * payments, `order` and `product` their routes; `onPayment` or `onRefund` adds notifications, `unfinished` reconciliation.
 */
export type WechatPayOptions = JssdkOptions & OAuthOptions & Partial<Omit<PayPluginOptions & NotifyOptions & ReconcileOptions, keyof JssdkOptions>>

export const wechatPay = fp<WechatPayOptions>(async (app, options) => {
  checkPluginOptions(app, 'wechatPay', options)
  await app.register(token, options)
  await app.register(oauth, options)
  await app.register(jssdk, options)
  const { merchant, order, product, onPayment, onRefund, unfinished } = options
  if (!merchant) {
    if (order || product || onPayment || onRefund || unfinished) throw new WechatConfigError('merchant', 'is required by order, product, onPayment, onRefund and unfinished')
    return
  }
  await app.register(pay, { ...options, merchant })
  if (onPayment || onRefund) await app.register(notify, { ...options, merchant })
  if (unfinished) await app.register(reconcile, { ...options, merchant, unfinished })
}, { fastify: '5.x', name: 'fastify-wechat-pay' })

export default wechatPay
export { jssdk, notify, oauth, pay, reconcile, token }
export * from '../src/errors.ts'
export type * from './namespaces.ts'
