/** Orders that nobody has heard of again: each is asked about, until it is paid, closed, or known to be open still. */
import type { Clock } from '../clock.ts'
import { WechatError, WechatInputError } from '../errors.ts'
import { within } from '../within.ts'
import type { Payment, UnpaidOrder } from './order.ts'

/** An order of the host's that has not reached its end. */
export interface UnfinishedOrder {
  outTradeNo: string
  /** After this moment an unpaid one is closed. Left out: it is only asked about. */
  expiresAt?: Date | null | undefined
  /** Whose order, where there are several accounts. */
  account?: string | undefined
}

export type Unfinished = AsyncIterable<UnfinishedOrder> | Iterable<UnfinishedOrder>

export interface ReconcileReport {
  startedAt: Date
  finishedAt: Date
  /** How many were asked about, and what became of them. */
  orders: number
  /** Paid, and handled by `onPayment` now or before. */
  paid: number
  /** Closed now, since their time was over. */
  closed: number
  /** At their end without a payment: closed, reversed or failed before. */
  ended: number
  /** Not paid yet, and not expired. */
  open: number
  /** WeChat has never heard of them: the page did not get as far as placing them. */
  unknown: number
  /** Could not be asked about, or their payment could not be handled: they come up again next time. At most a hundred are listed. */
  failed: number
  failures: Array<{ outTradeNo: string, account?: string, code: string, message: string }>
}

export interface ReconcileParts {
  query (which: { outTradeNo: string }, account?: string): Promise<Payment | UnpaidOrder>
  close (outTradeNo: string, account?: string): Promise<void>
  /** What notifications go through, too. */
  deliver (payment: Payment, account?: string): Promise<void>
  clock: Pick<Clock, 'now' | 'sleep'>
  /** Queries a second, at most; about a twentieth of a second's more after a pause. */
  rate: number
  /** Milliseconds to wait for the next unfinished order before the run fails. Default 600,000. */
  limit?: number
  /** Ends the run early. */
  signal: AbortSignal
  /** Hears of each order once it has been dealt with. */
  progress? (report: ReconcileReport): void
}

const LISTED = 100
/** WeChat's codes for an order that was never placed. */
const NEVER_PLACED = new Set(['ORDERNOTEXIST', 'ORDER_NOT_EXIST'])

/** Most orders that are under way at a time; and never more than are begun in a second, so that purchases find connections free. */
const AT_ONCE = 64
/** Milliseconds that a timer which rings late, or a database that is slow for a moment, may be caught up with. */
const CATCH_UP = 50

/** Rows of a database come as they are: a date may be a text there. @throws WechatInputError naming the field */
function checkUnfinished (order: UnfinishedOrder): UnfinishedOrder {
  if (typeof order !== 'object' || order === null) throw new WechatInputError('unfinished', 'must give orders: { outTradeNo, expiresAt? }')
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
      const step = await within(limit, async () => await iterator.next(), () => stalled(limit))
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
 * As many at a time as `rate` needs at the speed of WeChat's answers; counted as they are done, in whatever order.
 * `unfinished` may be an array of a query, or the promise of one.
 * @throws WechatInputError for what holds no orders; what `unfinished` or `progress` throws, once all that were begun are done
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
      // Paid between the question and the closing: the next look finds the payment.
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
      // An unsigned answer says nothing about an order.
      if (NEVER_PLACED.has(String(wechatCode)) && (error as WechatError).signed !== false) report.unknown++
      else {
        report.failed++
        if (report.failures.length < LISTED) report.failures.push({ outTradeNo: String(order?.outTradeNo), ...(order?.account !== undefined && { account: String(order.account) }), code: String(wechatCode ?? code), message })
        // WeChat asks for less: give it a while.
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

  const orders = await within(limit, async () => await unfinished, () => stalled(limit)) as Partial<Unfinished> | null | undefined
  if (typeof orders !== 'object' || orders === null || !(Symbol.asyncIterator in orders || Symbol.iterator in orders)) {
    throw new WechatInputError('unfinished', 'must answer an array, an iterable or an async iterable of orders')
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
