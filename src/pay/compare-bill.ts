/** Compares a day's bill with your own records in one pass over both: finds what is missing on either side, and what differs. */
import { WechatError } from '../errors.ts'
import type { Bill, TradeBillRow } from './bill.ts'

/** A record of yours: a payment, or with `outRefundNo` a refund. */
export interface BookEntry {
  outTradeNo: string
  outRefundNo?: string
  /** Integer fen: of the payment, or of the refund. */
  amount: number
  /** When it was paid, or the refund was requested. */
  at: Date
}

export type Difference =
  /** In WeChat's bill, but not in your records. */
  | { kind: 'missing here', row: TradeBillRow }
  /** In your records, but not in WeChat's bill. */
  | { kind: 'missing there', entry: BookEntry }
  | { kind: 'other amount', row: TradeBillRow, entry: BookEntry }
  /** A reversed payment or a failed refund that your records list as done. */
  | { kind: 'other state', row: TradeBillRow, entry: BookEntry }

export interface Comparison extends AsyncIterable<Difference> {
  /** How many rows matched; final once the loop is over. */
  readonly matched: number
}

/** Maximum number of unmatched entries kept in memory. */
const MOST_WAITING = 1_000_000

/**
 * Reads both sides in parallel, earlier entries first, so that matching entries are paired early. With entries in
 * chronological order (ORDER BY paid_at) memory use stays small, however many there are.
 * @throws (while it is read) WechatError `WECHAT_COMPARE` if a million entries are unmatched: they are not in order
 */
export function compareBill (bill: Bill<TradeBillRow> | AsyncIterable<TradeBillRow>, entries: AsyncIterable<BookEntry> | Iterable<BookEntry>, mostWaiting = MOST_WAITING): Comparison {
  let matched = 0

  async function * differences (): AsyncGenerator<Difference> {
    const rows = reader(bill)
    const books = reader(entries)
    const waitingRows = new Map<string, TradeBillRow>()
    const waitingEntries = new Map<string, BookEntry>()
    try {
      await Promise.all([rows.step(), books.step()])
      while (rows.current || books.current) {
        const isRow = rows.current && (!books.current || rows.current.at <= books.current.at)
        const difference = isRow
          ? matchRow(rows.current as TradeBillRow, waitingEntries.get(rowKey(rows.current as TradeBillRow)))
          : matchEntry(books.current as BookEntry)
        if (difference) yield difference
        if (waitingRows.size + waitingEntries.size > mostWaiting) throw new WechatError('WECHAT_COMPARE', `more than ${mostWaiting} entries are unmatched: sort the books by time`)
        await (isRow ? rows : books).step()
      }
      for (const row of waitingRows.values()) yield { kind: 'missing here', row }
      for (const entry of waitingEntries.values()) yield { kind: 'missing there', entry }
    } finally {
      await Promise.all([rows.end(), books.end()])
    }

    function matchEntry (entry: BookEntry): Difference | undefined {
      const row = waitingRows.get(entryKey(entry))
      if (row) return matchRow(row, entry)
      waitingEntries.set(entryKey(entry), entry)
    }

    function matchRow (row: TradeBillRow, entry: BookEntry | undefined): Difference | undefined {
      const key = rowKey(row)
      if (!entry) {
        waitingRows.set(key, row)
        return undefined
      }
      waitingRows.delete(key)
      waitingEntries.delete(key)
      if ((row.refund?.amount ?? row.amount) !== entry.amount) return { kind: 'other amount', row, entry }
      if (row.state === 'REVOKED' || (row.refund && !['SUCCESS', 'PROCESSING'].includes(row.refund.state))) return { kind: 'other state', row, entry }
      matched++
    }
  }

  return { [Symbol.asyncIterator]: differences, get matched () { return matched } }
}

const rowKey = ({ outTradeNo, refund }: TradeBillRow) => refund ? `refund ${refund.outRefundNo}` : `payment ${outTradeNo}`
const entryKey = ({ outTradeNo, outRefundNo }: BookEntry) => outRefundNo === undefined ? `payment ${outTradeNo}` : `refund ${outRefundNo}`

/** Reads one item at a time from any iterable. */
function reader<T> (items: AsyncIterable<T> | Iterable<T>) {
  const iterator = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]()
  const state = {
    current: undefined as T | undefined,
    async step (): Promise<void> {
      const { done, value } = await iterator.next()
      state.current = done ? undefined : value
    },
    end: async () => { await iterator.return?.() }
  }
  return state
}
