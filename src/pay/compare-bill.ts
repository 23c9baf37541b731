/** A day's bill against the host's own records, in one pass over both: what is missing on either side, and what differs. */
import { WechatError } from '../errors.ts'
import type { Bill, TradeBillRow } from './bill.ts'

/** What the host has of the day: a payment, or with `outRefundNo` a refund. */
export interface BookEntry {
  outTradeNo: string
  outRefundNo?: string
  /** Integer fen: of the payment, or of the refund. */
  amount: number
  /** When it was paid, or the refund asked for. */
  at: Date
}

export type Difference =
  /** In WeChat's bill, and not in the host's books. */
  | { kind: 'missing here', row: TradeBillRow }
  /** In the host's books, and not in WeChat's bill. */
  | { kind: 'missing there', entry: BookEntry }
  | { kind: 'other amount', row: TradeBillRow, entry: BookEntry }
  /** A payment that was reversed, or a refund that failed, where the host believes otherwise. */
  | { kind: 'other state', row: TradeBillRow, entry: BookEntry }

export interface Comparison extends AsyncIterable<Difference> {
  /** How many rows fitted; complete once the loop is over. */
  readonly matched: number
}

/** Most entries of one side that wait for the other. */
const MOST_WAITING = 1_000_000

/**
 * Both sides are read side by side, the earlier one first, so that what belongs together meets soon: with entries in the
 * order of time (ORDER BY paid_at) memory stays small, however long the day.
 * @throws (while it is read) WechatError `WECHAT_COMPARE` if a million entries wait for their other half: they are not in order
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
          ? meet(rows.current as TradeBillRow, waitingEntries.get(rowKey(rows.current as TradeBillRow)))
          : meetEntry(books.current as BookEntry)
        if (difference) yield difference
        if (waitingRows.size + waitingEntries.size > mostWaiting) throw new WechatError('WECHAT_COMPARE', `more than ${mostWaiting} entries wait for their other half: give them in the order of time`)
        await (isRow ? rows : books).step()
      }
      for (const row of waitingRows.values()) yield { kind: 'missing here', row }
      for (const entry of waitingEntries.values()) yield { kind: 'missing there', entry }
    } finally {
      await Promise.all([rows.end(), books.end()])
    }

    function meetEntry (entry: BookEntry): Difference | undefined {
      const row = waitingRows.get(entryKey(entry))
      if (row) return meet(row, entry)
      waitingEntries.set(entryKey(entry), entry)
    }

    function meet (row: TradeBillRow, entry: BookEntry | undefined): Difference | undefined {
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

/** One item at a time of whatever can be iterated. */
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
