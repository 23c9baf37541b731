/** Orders always reach an end: unfinished ones are asked about on a schedule, by one process of the fleet. Decorates `app.wechatReconcile`. */
import { randomUUID } from 'node:crypto'
import fp from 'fastify-plugin'
import { systemClock } from '../src/clock.ts'
import { WechatConfigError, WechatInputError } from '../src/errors.ts'
import type { TradeBillRequest } from '../src/pay/bill.ts'
import { compareBill } from '../src/pay/compare-bill.ts'
import type { BookEntry, Comparison } from '../src/pay/compare-bill.ts'
import { reconcileOrders } from '../src/pay/reconcile.ts'
import type { WechatPay } from '../src/pay/pay.ts'
import type { ReconcileReport, Unfinished, UnfinishedOrder } from '../src/pay/reconcile.ts'
import { accountKey } from '../src/store/key.ts'
import { keepLease } from '../src/store/lease.ts'
import { within } from '../src/within.ts'
import { accountsOf } from './accounts.ts'
import { checkPluginOptions, expose, exposed } from './common.ts'
import type { Namespaced, WithAccounts } from './common.ts'
import { notify } from './notify.ts'
import type { NotifyOptions, WechatNotify } from './notify.ts'
import { pay } from './pay.ts'
import type { PayPluginOptions } from './pay.ts'

export interface ReconcileOptions extends Omit<PayPluginOptions, 'order' | 'product'>, NotifyOptions {
  /** Your orders that have not reached their end, oldest first: a query of your database; with `accounts`, each with the id of its `account`. May be async; an array, an iterable or an async iterable. */
  unfinished: () => Unfinished | Promise<Unfinished>
  /** Seconds from one run to the next, by whichever process. Default 60; 0: only when `run()` is called. */
  every?: number
  /** Queries a second, at most. Default 20. */
  rate?: number
  /** Hears how each run ended. */
  onReport?: (report: ReconcileReport) => unknown
}

export interface WechatReconcile {
  /** A run now, whatever the schedule. Undefined if another process is at it. */
  run (): Promise<ReconcileReport | undefined>
  /**
   * A day's bill against the host's books (in the order of time): what is missing on either side, and what differs. With
   * `accounts`, give the bill of one: `compareBill(account.pay.tradeBill(request), entries)` of `fastify-wechat-pay/core`.
   */
  compareBill (request: TradeBillRequest, entries: AsyncIterable<BookEntry> | Iterable<BookEntry>): Comparison
  /** How the run that is under way here goes, or how the last one here went. */
  status (): { running: boolean, report: ReconcileReport | undefined }
}

declare module 'fastify' {
  interface FastifyInstance {
    wechatReconcile: Namespaced<WechatReconcile>
  }
}

/** Milliseconds: renewed while a run goes on; a process that dies holds the others up no longer than this. */
const LEASE = 10_000

export const reconcile = fp<ReconcileOptions | WithAccounts<ReconcileOptions>>(async (app, options) => {
  const { unfinished, every = 60, rate = 20, onReport, handlerLimit = 600_000, namespace } = options
  checkPluginOptions(app, 'reconcile', options)
  if (!unfinished) throw new WechatConfigError('unfinished', 'is required: a function that gives the orders without an end')
  const { only, store, get } = await accountsOf(app, options)
  if (only && !exposed(app, 'wechatPay', namespace)) await app.register(pay, options)
  if (!exposed(app, 'wechatNotify', namespace)) await app.register(notify, options)
  // The host's own piece may be of another version.
  const orders = only && exposed<WechatPay>(app, 'wechatPay', namespace)
  const news = exposed<WechatNotify>(app, 'wechatNotify', namespace) as WechatNotify
  const key = only ? accountKey(only.appId, `reconcile:${only.merchant.mchId}`) : accountKey('accounts', `reconcile:${namespace ?? ''}`)
  const ending = new AbortController()
  let running: Promise<ReconcileReport | undefined> | undefined
  let report: ReconcileReport | undefined

  async function payOf (id: string | undefined): Promise<WechatPay> {
    if (orders) return orders
    if (id === undefined) throw new WechatInputError('account', 'is missing: with accounts, unfinished orders say whose they are')
    return (await get(id)).pay
  }

  /** `rest`: milliseconds for which nobody runs again. */
  async function once (rest: number): Promise<ReconcileReport | undefined> {
    const owner = randomUUID()
    if (rest === 0) await store.delete(key, DONE)
    if ((await store.acquire(key, owner, LEASE)).state !== 'acquired') return undefined
    const letGo = keepLease(store, key, owner, LEASE)
    try {
      report = await reconcileOrders(unfinished(), {
        query: async (which, account) => await (await payOf(account)).query(which),
        close: async (outTradeNo, account) => { await (await payOf(account)).close(outTradeNo) },
        deliver: news.deliver,
        clock: systemClock,
        rate,
        limit: handlerLimit,
        signal: ending.signal,
        progress: current => { report = current }
      })
      app.log.info({ ...report, failures: undefined }, 'fastify-wechat-pay: orders reconciled')
      const finished = report
      await within(handlerLimit, async () => await onReport?.(finished), () => new Error(`onReport did not return within ${handlerLimit} ms`))
      return report
    } finally {
      letGo()
      // Lost on the way, it costs one run too many: payments are handled once whatever the number of runs.
      await (rest > 0 ? store.complete(key, owner, DONE, rest) : store.release(key, owner)).catch(() => {})
    }
  }

  function run (rest: number): Promise<ReconcileReport | undefined> {
    running ??= once(rest).finally(() => { running = undefined })
    return running
  }

  expose(app, 'wechatReconcile', {
    run: () => run(0),
    compareBill (request, entries) {
      if (!orders) throw new WechatConfigError('accounts', 'have a bill each: give it to compareBill of fastify-wechat-pay/core')
      return compareBill(orders.tradeBill(request), entries)
    },
    status: () => ({ running: running !== undefined, report })
  } satisfies WechatReconcile, namespace)

  if (every > 0) {
    // A little less than the whole pause: whoever looks next shall find it over.
    const timer = setInterval(() => {
      run(every * 1000 * 0.9).catch((err: unknown) => { app.log.error({ err }, 'fastify-wechat-pay: orders could not be reconciled; the next run tries again') })
    }, every * 1000)
    timer.unref()
    app.addHook('onClose', async () => { clearInterval(timer) })
  }
  app.addHook('onClose', async () => {
    ending.abort()
    await running?.catch(() => {})
  })
}, { fastify: '5.x', name: 'fastify-wechat-pay/reconcile' })

const DONE = 'done'

export default reconcile
export type { BookEntry, Comparison, ReconcileReport, Unfinished, UnfinishedOrder }
