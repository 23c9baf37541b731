/** What hosts may add to: the names of their accounts, and what their accounts hold. */
import type { AccountOptions } from '../src/account.ts'

/**
 * The names of further accounts in this server, for `app.wechatPay.shopB` and its like. Yours to add to:
 * `declare module 'fastify-wechat-pay' { interface WechatNamespaces { shopB: true } }`
 */
export interface WechatNamespaces {}

/** A decorator, and beside it those of the named accounts. */
export type Namespaced<T> = T & { readonly [Name in keyof WechatNamespaces]: T }

/**
 * What `accounts.find` gives, and `request.wechatAccount.options` holds. Yours to add to:
 * `declare module 'fastify-wechat-pay' { interface WechatAccountOptions { shopName: string } }`
 */
export interface WechatAccountOptions extends AccountOptions {
  /** Where browsers reach this account's login, if not at the `origin` of all. */
  origin?: string
}
