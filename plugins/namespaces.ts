/**
 * The names of further accounts in this server, for `app.wechatPay.shopB` and its like. Yours to add to:
 * `declare module 'fastify-wechat-pay' { interface WechatNamespaces { shopB: true } }`
 */
export interface WechatNamespaces {}

/** A decorator, and beside it those of the named accounts. */
export type Namespaced<T> = T & { readonly [Name in keyof WechatNamespaces]: T }
