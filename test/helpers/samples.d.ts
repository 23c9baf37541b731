/** Declarations that the documentation's samples assume: the application's app, records and session. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Redis } from 'ioredis'
import type { Expected, Payment, Refund } from '../../plugins/notify.ts'
import type { JsapiOrder, Merchant } from '../../plugins/pay.ts'
import type { WechatPayOptions } from '../../plugins/wechat-pay.ts'
import type { BookEntry, UnfinishedOrder } from '../../plugins/reconcile.ts'

declare module 'fastify' {
  interface FastifyInstance { redis: Redis }
}

interface Transaction {
  insertOnce (table: string, key: string, payment: Payment | Refund): Promise<boolean>
  ship (outTradeNo: string): Promise<void>
}

declare global {
  const app: FastifyInstance
  const request: FastifyRequest<{ Body: { outTradeNo: string } }>
  const appId: string, appSecret: string, openid: string, outTradeNo: string, notifyUrl: string
  const apiKey: string, apiV3Key: string, mchId: string, serialNo: string, publicKeyId: string, outRefundNo: string
  const code: string, phoneCode: string, iv: string, encryptedData: string, transactionId: string
  const pfx: Buffer, privateKey: string, certificate: string, publicKey: string
  const wechatPay: typeof import('../../plugins/wechat-pay.ts').wechatPay
  const pay: typeof import('../../plugins/pay.ts').pay
  const notify: typeof import('../../plugins/notify.ts').notify
  const reconcile: typeof import('../../plugins/reconcile.ts').reconcile
  const merchant: Merchant
  const redis: Redis
  const order: JsapiOrder
  const secondAccount: WechatPayOptions
  const accounts: Record<string, WechatPayOptions>
  const onPayment: (payment: Payment) => Promise<void>
  const expected: (outTradeNo: string) => Promise<Expected | undefined>
  const books: AsyncIterable<BookEntry>
  const metrics: { set (what: unknown): void }
  function report (what: unknown): void
  function compare (...what: unknown[]): Promise<void>
  const readFileSync: typeof import('node:fs').readFileSync
  const db: { stream (sql: string, values: unknown[]): AsyncIterable<UnfinishedOrder>, transaction (work: (tx: Transaction) => Promise<void>): Promise<void> }
  const queue: import('bullmq').Queue
  const orders: {
    find (outTradeNo: string): Promise<Expected | undefined>
    forPayment (body: unknown): Promise<JsapiOrder>
    markPaid (outTradeNo: string, transactionId: string): Promise<void>
    unfinished (): AsyncIterable<UnfinishedOrder>
    booked (day: string): AsyncIterable<BookEntry>
  }
  const componentAppId: string, componentAppSecret: string, token: string, encodingAesKey: string, encryptionKey: string
  /** A third-party platform's stored refresh tokens. */
  const authorizations: {
    save (appId: string, refreshToken: string): Promise<void>
    refreshToken (appId: string): Promise<string | undefined>
    remove (appId: string): Promise<void>
  }
  /** A platform's records. */
  const shops: {
    wechat (id: string): Promise<import('../../plugins/namespaces.ts').WechatAccountOptions | undefined>
    idsOf (mchIdOrSerial: string | undefined): Promise<string[]>
    order (id: string, body: unknown): Promise<JsapiOrder>
    expected (id: string, outTradeNo: string): Promise<Expected | undefined>
    paid (id: string, payment: Payment, key: string): Promise<void>
  }
  const tokenServer: { get (what: string, force: boolean): Promise<{ accessToken: string, expiresIn: number }> }
  function newToken (openid: string): string
  function startSession (reply: FastifyReply, openid: string): void
  function isBlocked (ip: string): boolean
  function alert (...what: unknown[]): void
  /** In a page inside WeChat. */
  const location: { href: string }
  const navigator: { userAgent: string }
  const wx: { config (options: unknown): void, chooseWXPay (options: unknown): void }
}
