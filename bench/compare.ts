/** `npm run bench -- compare`: compares a bill of ten million rows with the merchant's records in one pass, in constant memory. */
import { tradeBill } from '../src/pay/bill.ts'
import { type BookEntry, compareBill } from '../src/pay/compare-bill.ts'
import { billText, since } from './bill-text.ts'

const ROWS = Number(process.argv[2] ?? 10_000_000)
const MIDNIGHT = Date.parse('2026-11-20T00:00:00+08:00')
let peak = 0

/** The merchant's records: every third payment is recorded some seconds late, one is missing, and one has a different amount. */
function * books (): Generator<BookEntry> {
  for (let number = 0; number < ROWS; number++) {
    if (number % 100_000 === 0) peak = Math.max(peak, process.memoryUsage().rss)
    if (number === 1_000) continue
    yield { outTradeNo: `A${number}`, amount: number === 2_000 ? 30 : 29, at: new Date(MIDNIGHT + since(number, ROWS) + number % 3 * 2_500) }
  }
}

const started = performance.now()
const found: string[] = []
const comparison = compareBill(tradeBill({ name: 'bill', open: async () => ({ body: billText(ROWS) }), gzip: false, maxBytes: 2 ** 33 }), books())
for await (const { kind } of comparison) found.push(kind)
const seconds = (performance.now() - started) / 1000
if (comparison.matched !== ROWS - 2 || found.sort().join() !== 'missing here,other amount') throw new Error(`compared wrongly: ${comparison.matched}, ${found.join()}`)
console.log(`${ROWS} rows in ${seconds.toFixed(0)} s (including making them): ${comparison.matched} matched, found ${found.join(' and ')}; at most ${Math.round(peak / 2 ** 20)} MB of memory for the whole process`)
