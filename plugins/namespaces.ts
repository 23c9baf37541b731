/** Interfaces that applications can extend: the names of their accounts, and further fields of an account. */
import type { AccountOptions } from '../src/account.ts'

/**
 * The names of further accounts in this server, for `app.wechatPay.shopB` and so on. Extend it with
 * `declare module 'fastify-wechat-pay' { interface WechatNamespaces { shopB: true } }`
 */
export interface WechatNamespaces {}

/** A decorator, with those of the named accounts as members. */
export type Namespaced<T> = T & { readonly [Name in keyof WechatNamespaces]: T }

/**
 * What `accounts.find` returns, available as `request.wechatAccount.options`. Extend it with
 * `declare module 'fastify-wechat-pay' { interface WechatAccountOptions { shopName: string } }`
 */
export interface WechatAccountOptions extends AccountOptions {
  /** Where browsers reach this account's login, if not at the `origin` of all. */
  origin?: string
}
