import t from 'tap'
import type { TradeBillRow } from '../../../src/pay/bill.ts'
import { compareBill } from '../../../src/pay/compare-bill.ts'
import type { BookEntry, Difference } from '../../../src/pay/compare-bill.ts'

const at = (seconds: number) => new Date(Date.UTC(2026, 10, 20) + seconds * 1000)
const row = (outTradeNo: string, amount: number, seconds: number, more: object = {}): TradeBillRow => ({ outTradeNo, amount, at: at(seconds), state: 'SUCCESS', ...more }) as TradeBillRow
const refund = (outTradeNo: string, outRefundNo: string, amount: number, seconds: number, state = 'SUCCESS') => row(outTradeNo, 0, seconds, { state: 'REFUND', refund: { outRefundNo, amount, state } })
const entry = (outTradeNo: string, amount: number, seconds: number, outRefundNo?: string): BookEntry => ({ outTradeNo, amount, at: at(seconds), ...(outRefundNo && { outRefundNo }) })
async function * streamed<T> (items: T[]): AsyncGenerator<T> { yield * items }

async function differences (rows: TradeBillRow[], entries: BookEntry[]) {
  const comparison = compareBill(streamed(rows), entries)
  const found: string[] = []
  for await (const difference of comparison) {
    const { kind, row, entry } = difference as Difference & { row?: TradeBillRow, entry?: BookEntry }
    found.push(`${kind}: ${row?.refund?.outRefundNo ?? row?.outTradeNo ?? entry?.outRefundNo ?? entry?.outTradeNo}`)
  }
  return { found, matched: comparison.matched }
}

t.test('matches, rows missing on either side, and differences', async t => {
  const rows = [row('A', 100, 1), row('B', 200, 2), row('C', 300, 3), refund('A', 'RA', 40, 4), row('D', 400, 5, { state: 'REVOKED' }), refund('B', 'RB', 50, 6, 'CHANGE'), refund('B', 'RC', 50, 7, 'PROCESSING')]
  const entries = [entry('A', 100, 1), entry('B', 201, 2), entry('X', 5, 3), entry('A', 40, 4, 'RA'), entry('D', 400, 5), entry('B', 50, 6, 'RB'), entry('B', 50, 7, 'RC')]
  t.same(await differences(rows, entries), { found: ['other amount: B', 'other state: D', 'other state: RB', 'missing here: C', 'missing there: X'], matched: 3 })
  t.same(await differences([], []), { found: [], matched: 0 })
  t.same(await differences(rows.slice(0, 1), []), { found: ['missing here: A'], matched: 0 })
  t.same(await differences([], entries.slice(0, 1)), { found: ['missing there: A'], matched: 0 })
})

t.test('any order gives the same result; too many unmatched entries are an error', async t => {
  const rows = Array.from({ length: 100 }, (_none, number) => row(`N${number}`, number + 1, number))
  const entries = Array.from({ length: 100 }, (_none, number) => entry(`N${99 - number}`, 100 - number, 99 - number))
  t.same(await differences(rows, entries), { found: [], matched: 100 })
  const strict = compareBill(streamed(rows), streamed(entries), 10)
  await t.rejects((async () => { for await (const difference of strict) t.fail(difference.kind) })(), { code: 'WECHAT_COMPARE', message: /sort the books by time/ })
})

t.test('with both sides sorted by time few entries are buffered; the loop can stop early', async t => {
  const count = 200_000
  async function * rows () { for (let number = 0; number < count; number++) yield row(`N${number}`, 1, number) }
  function * entries () { for (let number = 0; number < count; number++) yield entry(`N${number}`, number === 1000 ? 2 : 1, number + 3) }
  const comparison = compareBill(rows(), entries(), 10)
  const found: string[] = []
  for await (const { kind } of comparison) found.push(kind)
  t.same([found, comparison.matched], [['other amount'], count - 1])
  let ended = false
  async function * closing () { try { yield row('A', 1, 1); yield row('B', 1, 2) } finally { ended = true } }
  const reader = compareBill(closing(), [entry('A', 2, 1)])[Symbol.asyncIterator]()
  t.match(await reader.next(), { value: { kind: 'other amount' } })
  await reader.return?.()
  t.ok(ended)
})
