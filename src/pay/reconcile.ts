/** Reconciles orders whose notification never arrived: queries each one until it is paid or closed, or still open. */
import type { Clock } from '../clock.ts'
import { WechatError, WechatInputError } from '../errors.ts'
import { withTimeout } from '../with-timeout.ts'
import type { Payment, UnpaidOrder } from './order.ts'

/** An unfinished order from your records. */
export interface UnfinishedOrder {
  outTradeNo: string
  /** After this time an unpaid order is closed. Without it, the order is only queried. */
  expiresAt?: Date | null | undefined
  /** The id of the order's account, if there are several. */
  account?: string | undefined
}

export type Unfinished = AsyncIterable<UnfinishedOrder> | Iterable<UnfinishedOrder>

export interface ReconcileReport {
  startedAt: Date
  finishedAt: Date
  /** How many orders were queried, and the results. */
  orders: number
  /** Paid, and handled by `onPayment` now or earlier. */
  paid: number
  /** Expired, and closed in this run. */
  closed: number
  /** Finished without a payment: closed, reversed or failed earlier. */
  ended: number
  /** Not paid yet, and not expired. */
  open: number
  /** Unknown to WeChat: they were never placed. */
  unknown: number
  /** The query failed, or the payment could not be handled; retried in the next run. At most a hundred are listed. */
  failed: number
  failures: Array<{ outTradeNo: string, account?: string, code: string, message: string }>
}

export interface ReconcileParts {
  query (which: { outTradeNo: string }, account?: string): Promise<Payment | UnpaidOrder>
  close (outTradeNo: string, account?: string): Promise<void>
  /** The same delivery that notifications use. */
  deliver (payment: Payment, account?: string): Promise<void>
  clock: Pick<Clock, 'now' | 'sleep'>
  /** Maximum number of queries a second; after a pause, up to a twentieth of a second's worth more. */
  rate: number
  /** Milliseconds to wait for the next unfinished order before the run fails. Default 600,000. */
  limit?: number
  /** Ends the run early. */
  signal: AbortSignal
  /** Called for each order when it is done. */
  progress? (report: ReconcileReport): void
}

const LISTED = 100
/** WeChat's codes for an order that was never placed. */
const NEVER_PLACED = new Set(['ORDERNOTEXIST', 'ORDER_NOT_EXIST'])

/** Maximum number of concurrent queries; never more than one second's worth, so that purchases still find free connections. */
const AT_ONCE = 64
/** Milliseconds that a late timer, or a slow database, may be caught up with. */
const CATCH_UP = 50

/** Checks rows from a database, where a date may be a string. @throws WechatInputError naming the field */
function checkUnfinished (order: UnfinishedOrder): UnfinishedOrder {
  if (typeof order !== 'object' || order === null) throw new WechatInputError('unfinished', 'must return orders: { outTradeNo, expiresAt? }')
  const { outTradeNo, expiresAt, account } = order
  if (expiresAt && !(expiresAt instanceof Date && !Number.isNaN(expiresAt.getTime()))) {
    throw new WechatInputError('expiresAt', 'must be a Date')
  }
  if (account !== undefined && typeof account !== 'string') throw new WechatInputError('account', 'must be a string')
  return { outTradeNo, ...(expiresAt && { expiresAt }), ...(account !== undefined && { account }) }
}

const stalled = (limit: number) => new WechatError('WECHAT_RECONCILE_STALLED', `unfinished gave no order within ${limit} ms: the run ends, so that the next one can start`, {
  statusCode: 503,
  fault: 'caller',
  retryable: true,
  advice: 'Check the query behind unfinished; handlerLimit sets the time.',
  adviceZh: '请检查 unfinished 的查询；等待时间由 handlerLimit 设置。'
})

/** Without a limit, a query that hangs would keep the lease forever and no process would reconcile again. */
async function * eachInTime (orders: Unfinished, limit: number): AsyncGenerator<UnfinishedOrder> {
  const iterator = Symbol.asyncIterator in orders ? orders[Symbol.asyncIterator]() : orders[Symbol.iterator]()
  // Nothing to close after the last order; and an iterator that hangs would hang in `return`, too.
  let isOver = true
  try {
    for (;;) {
      const step = await withTimeout(limit, async () => await iterator.next(), () => stalled(limit))
      if (step.done) return
      isOver = false
      yield await step.value
      isOver = true
    }
  } finally {
    if (!isOver) await iterator.return?.()
  }
}

/**
 * Runs as many queries concurrently as `rate` requires at the speed of WeChat's answers; results are counted in any order.
 * `unfinished` may be an array, an iterable or an async iterable, or a promise of one.
 * @throws WechatInputError if it does not return orders; what `unfinished` or `progress` throws, after all started queries are done
 */
export async function reconcileOrders (unfinished: Unfinished | Promise<Unfinished>, parts: ReconcileParts): Promise<ReconcileReport> {
  const { query, close, deliver, clock, rate, limit = 600_000, signal, progress } = parts
  const report: ReconcileReport = { startedAt: new Date(), finishedAt: new Date(), orders: 0, paid: 0, closed: 0, ended: 0, open: 0, unknown: 0, failed: 0, failures: [] }
  const pause = 1000 / rate
  const most = Math.min(AT_ONCE, Math.max(1, Math.ceil(rate)))
  const underWay = new Set<Promise<void>>()
  let next = clock.now()
  let broken: { error: unknown } | undefined

  async function settle (unfinished: UnfinishedOrder): Promise<'paid' | 'closed' | 'ended' | 'open'> {
    const { outTradeNo, expiresAt, account } = checkUnfinished(unfinished)
    const order = await query({ outTradeNo }, account)
    if ('transactionId' in order) {
      await deliver(order, account)
      return 'paid'
    }
    if (order.state !== 'NOTPAY') return order.state === 'USERPAYING' ? 'open' : 'ended'
    if (!expiresAt || expiresAt.getTime() > Date.now()) return 'open'
    try {
      await close(outTradeNo, account)
      return 'closed'
    } catch (error) {
      // Paid between the query and the close: the next query finds the payment.
      if (!['ORDERPAID', 'ORDER_PAID'].includes(String((error as WechatError).wechatCode))) throw error
      const paid = await query({ outTradeNo }, account)
      if (!('transactionId' in paid)) throw error
      await deliver(paid, account)
      return 'paid'
    }
  }

  async function handle (order: UnfinishedOrder): Promise<void> {
    try {
      const end = await settle(order)
      report.orders++
      report[end]++
    } catch (error) {
      report.orders++
      const { code, message, wechatCode } = error as WechatError
      // An unsigned answer proves nothing about an order.
      if (NEVER_PLACED.has(String(wechatCode)) && (error as WechatError).signed !== false) report.unknown++
      else {
        report.failed++
        if (report.failures.length < LISTED) report.failures.push({ outTradeNo: String(order?.outTradeNo), ...(order?.account !== undefined && { account: String(order.account) }), code: String(wechatCode ?? code), message })
        // WeChat limits the rate: pause.
        if (error instanceof WechatError && error.statusCode === 503 && error.retryable) next = Math.max(next, clock.now() + 10 * pause)
      }
    }
    report.finishedAt = new Date()
    try {
      progress?.(report)
    } catch (error) {
      broken ??= { error }
    }
  }

  const orders = await withTimeout(limit, async () => await unfinished, () => stalled(limit)) as Partial<Unfinished> | null | undefined
  if (typeof orders !== 'object' || orders === null || !(Symbol.asyncIterator in orders || Symbol.iterator in orders)) {
    throw new WechatInputError('unfinished', 'must return an array, an iterable or an async iterable of orders')
  }
  try {
    for await (const order of eachInTime(orders as Unfinished, limit)) {
      while (underWay.size >= most) await Promise.race(underWay)
      const wait = next - clock.now()
      if (wait > 0) await clock.sleep(wait)
      if (signal.aborted || broken) break
      next = Math.max(next, clock.now() - Math.max(pause, CATCH_UP)) + pause
      const work: Promise<void> = handle(order).finally(() => underWay.delete(work))
      underWay.add(work)
    }
  } finally {
    await Promise.all(underWay)
  }
  if (broken) throw broken.error
  report.finishedAt = new Date()
  return report
}
