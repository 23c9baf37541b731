/** Reconciles unfinished orders on a schedule, in one process of the fleet. Decorates `app.wechatReconcile`. */
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
import { withTimeout } from '../src/with-timeout.ts'
import { accountsOf } from './accounts.ts'
import { checkPluginOptions, expose, exposed } from './common.ts'
import type { Namespaced, WithAccounts } from './common.ts'
import { notify } from './notify.ts'
import type { NotifyOptions, WechatNotify } from './notify.ts'
import { pay } from './pay.ts'
import type { PayPluginOptions } from './pay.ts'

export interface ReconcileOptions extends Omit<PayPluginOptions, 'order' | 'product'>, NotifyOptions {
  /** Returns your unfinished orders, oldest first, from your database; with `accounts`, each with the id of its `account`. May be async; an array, an iterable or an async iterable. */
  unfinished: () => Unfinished | Promise<Unfinished>
  /** Seconds between runs, across all processes. Default 60; 0: only when `run()` is called. */
  every?: number
  /** Maximum number of queries a second. Default 20. */
  rate?: number
  /** Called with the result of each run. */
  onReport?: (report: ReconcileReport) => unknown
}

export interface WechatReconcile {
  /** Starts a run now, independent of the schedule. Undefined if another process is running one. */
  run (): Promise<ReconcileReport | undefined>
  /**
   * Compares a day's bill with your books (in chronological order): what is missing on either side, and what differs. With
   * `accounts`, pass one account's bill: `compareBill(account.pay.tradeBill(request), entries)` of `fastify-wechat-pay/core`.
   */
  compareBill (request: TradeBillRequest, entries: AsyncIterable<BookEntry> | Iterable<BookEntry>): Comparison
  /** The progress of this process's current run, or the result of its last one. */
  status (): { running: boolean, report: ReconcileReport | undefined }
}

declare module 'fastify' {
  interface FastifyInstance {
    wechatReconcile: Namespaced<WechatReconcile>
  }
}

/** Milliseconds: renewed during a run; a dead process blocks the others no longer than this. */
const LEASE = 10_000

export const reconcile = fp<ReconcileOptions | WithAccounts<ReconcileOptions>>(async (app, options) => {
  const { unfinished, every = 60, rate = 20, onReport, handlerLimit = 600_000, namespace } = options
  checkPluginOptions(app, 'reconcile', options)
  if (!unfinished) throw new WechatConfigError('unfinished', 'is required: a function that returns your unfinished orders')
  const { only, store, get } = await accountsOf(app, options)
  if (only && !exposed(app, 'wechatPay', namespace)) await app.register(pay, options)
  if (!exposed(app, 'wechatNotify', namespace)) await app.register(notify, options)
  // The application may have registered another version of the plugin.
  const orders = only && exposed<WechatPay>(app, 'wechatPay', namespace)
  const notifications = exposed<WechatNotify>(app, 'wechatNotify', namespace) as WechatNotify
  const key = only ? accountKey(only.appId, `reconcile:${only.merchant.mchId}`) : accountKey('accounts', `reconcile:${namespace ?? ''}`)
  const ending = new AbortController()
  let running: Promise<ReconcileReport | undefined> | undefined
  let report: ReconcileReport | undefined

  async function payOf (id: string | undefined): Promise<WechatPay> {
    if (orders) return orders
    if (id === undefined) throw new WechatInputError('account', 'is missing: with accounts, each unfinished order needs its account\'s id')
    return (await get(id)).pay
  }

  /** `rest`: milliseconds in which no process starts another run. */
  async function once (rest: number): Promise<ReconcileReport | undefined> {
    const owner = randomUUID()
    if (rest === 0) await store.delete(key, DONE)
    if ((await store.acquire(key, owner, LEASE)).state !== 'acquired') return undefined
    const stopRenewing = keepLease(store, key, owner, LEASE)
    try {
      report = await reconcileOrders(unfinished(), {
        query: async (which, account) => await (await payOf(account)).query(which),
        close: async (outTradeNo, account) => { await (await payOf(account)).close(outTradeNo) },
        deliver: notifications.deliver,
        clock: systemClock,
        rate,
        limit: handlerLimit,
        signal: ending.signal,
        progress: current => { report = current }
      })
      app.log.info({ ...report, failures: undefined }, 'fastify-wechat-pay: orders reconciled')
      const finished = report
      await withTimeout(handlerLimit, async () => await onReport?.(finished), () => new Error(`onReport did not return within ${handlerLimit} ms`))
      return report
    } finally {
      stopRenewing()
      // If this write is lost, there is one run too many, which is harmless: payments are handled once.
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
      if (!orders) throw new WechatConfigError('accounts', 'have one bill each: pass it to compareBill of fastify-wechat-pay/core')
      return compareBill(orders.tradeBill(request), entries)
    },
    status: () => ({ running: running !== undefined, report })
  } satisfies WechatReconcile, namespace)

  if (every > 0) {
    // A little less than the whole pause, so that the next run finds it expired.
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
