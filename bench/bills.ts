/** `npm run bench -- bills`: a bill of 200 MB read row by row, in constant memory. */
import { Readable } from 'node:stream'
import { createGzip } from 'node:zlib'
import { tradeBill } from '../src/pay/bill.ts'
import { billText, ROW_BYTES } from './bill-text.ts'

const MB = 1024 * 1024
const size = Number(process.argv[2] ?? 200) * MB
const rows = Math.ceil(size / ROW_BYTES)

for (const gzip of [false, true]) {
  const open = async () => ({ body: gzip ? Readable.from(billText(rows)).pipe(createGzip({ level: 1 })) : billText(rows) })
  let seen = 0
  let peak = 0
  let fen = 0
  const started = performance.now()
  for await (const { amount } of tradeBill({ name: 'bill', open, gzip, maxBytes: 4096 * MB })) {
    fen += amount
    if (++seen % 20_000 === 0) peak = Math.max(peak, process.memoryUsage().rss)
  }
  const seconds = (performance.now() - started) / 1000
  if (seen !== rows || fen !== rows * 29) throw new Error('the bill was not read completely')
  console.log(`${gzip ? 'gzip ' : 'plain'}  ${(size / MB).toFixed(0)} MB, ${seen} rows in ${seconds.toFixed(1)} s (including making it): ${(size / MB / seconds).toFixed(0)} MB/s, at most ${(peak / MB).toFixed(0)} MB of memory for the whole process`)
}
