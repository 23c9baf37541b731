/** All plugins in one: registers those that the options call for. */
import fp from 'fastify-plugin'
import { WechatConfigError } from '../src/errors.ts'
import { checkPluginOptions } from './common.ts'
import type { WithAccounts, WithProvider } from './common.ts'
import { jssdk } from './jssdk.ts'
import type { JssdkOptions } from './jssdk.ts'
import { miniProgram } from './mini-program.ts'
import type { MiniProgramPluginOptions } from './mini-program.ts'
import { notify } from './notify.ts'
import type { NotifyOptions } from './notify.ts'
import { oauth } from './oauth.ts'
import type { OAuthOptions } from './oauth.ts'
import { openPlatform } from './open-platform.ts'
import { pay } from './pay.ts'
import type { PayPluginOptions } from './pay.ts'
import { reconcile } from './reconcile.ts'
import type { ReconcileOptions } from './reconcile.ts'
import { token } from './token.ts'
import { xml } from './xml.ts'

/**
 * `appId` and `appSecret` (or `accounts`) give the token, login and JS-SDK plugins; `onLogin` adds the login routes; `onMiniProgramLogin`
 * adds the mini program and its login route; `merchant` adds payments, `order` and `product` their routes; `onPayment` or `onRefund`
 * adds notifications, `unfinished` reconciliation.
 */
export type WechatPayOptions = JssdkOptions & OAuthOptions & Pick<MiniProgramPluginOptions, 'onMiniProgramLogin' | 'sessionProvider'> & Partial<Omit<PayPluginOptions & NotifyOptions & ReconcileOptions, keyof JssdkOptions>>

export const wechatPay = fp<WechatPayOptions | WithProvider<WechatPayOptions> | WithAccounts<WechatPayOptions>>(async (app, options) => {
  checkPluginOptions(app, 'wechatPay', options)
  const { accounts, appSecret, tokenProvider, component, merchant, onLogin, onMiniProgramLogin, order, product, onPayment, onRefund, unfinished } = options
  await app.register(token, options)
  // With tokenProvider there may be no secret, which logins need.
  if (accounts || appSecret !== undefined || component || onLogin || !tokenProvider) await app.register(oauth, options as OAuthOptions)
  await app.register(jssdk, options)
  if (onMiniProgramLogin) await app.register(miniProgram, options as MiniProgramPluginOptions)
  if (!accounts && !merchant) {
    if (order || product || onPayment || onRefund || unfinished) throw new WechatConfigError('merchant', 'is required by order, product, onPayment, onRefund and unfinished')
    return
  }
  await app.register(pay, options as PayPluginOptions)
  if (onPayment || onRefund) await app.register(notify, options as NotifyOptions)
  if (unfinished) await app.register(reconcile, options as ReconcileOptions)
}, { fastify: '5.x', name: 'fastify-wechat-pay' })

export default wechatPay
export { jssdk, miniProgram, notify, oauth, openPlatform, pay, reconcile, token, xml }
export type { AccountsChoice, WechatAccount, WechatAccounts } from './accounts.ts'
export type { WithAccounts, WithProvider } from './common.ts'
export * from '../src/errors.ts'
export type * from './namespaces.ts'
