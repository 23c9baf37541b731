/** `npm run bench -- bills`: a bill of 200 MB read row by row, in constant memory. */
import { Readable } from 'node:stream'
import { createGzip } from 'node:zlib'
import { tradeBill } from '../src/pay/bill.ts'

const MB = 1024 * 1024
const NAMES = '交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注\r\n'
const row = (number: number) => `\`2026-11-20 12:00:00,\`wxab8acd895ab1638a,\`1921000401,\`0,\`,\`42000${String(number).padStart(23, '0')},\`A${number},\`oUpF8uMuAJO_M2pxb1Q9zNjWeS6o,\`JSAPI,\`SUCCESS,\`OTHERS,\`CNY,\`0.29,\`0.00,\`0,\`0,\`0.00,\`0.00,\`,\`,\`云南咖啡, 大杯,\`,\`0.00000,\`0.60%,\`0.29,\`0.00,\`\r\n`

const size = Number(process.argv[2] ?? 200) * MB
const rowBytes = Buffer.byteLength(row(1_000_000))
const rows = Math.ceil(size / rowBytes)

async function * text (): AsyncGenerator<Buffer> {
  yield Buffer.from(NAMES)
  const block: string[] = []
  for (let number = 0; number < rows; number++) {
    if (block.push(row(number)) === 200) yield Buffer.from(block.splice(0).join(''))
  }
  yield Buffer.from(block.join(''))
  const sum = ((rows * 29) / 100).toFixed(2)
  yield Buffer.from(`总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额\r\n\`${rows}.0,\`${sum},\`0.00,\`0.0,\`0.0,\`${sum},\`0.00\r\n`)
}

for (const gzip of [false, true]) {
  const open = async () => ({ body: gzip ? Readable.from(text()).pipe(createGzip({ level: 1 })) : text() })
  let seen = 0
  let peak = 0
  let fen = 0
  const begun = performance.now()
  for await (const { amount } of tradeBill({ name: 'bill', open, gzip, maxBytes: 4096 * MB })) {
    fen += amount
    if (++seen % 20_000 === 0) peak = Math.max(peak, process.memoryUsage().rss)
  }
  const seconds = (performance.now() - begun) / 1000
  if (seen !== rows || fen !== rows * 29) throw new Error('the bill was not read whole')
  console.log(`${gzip ? 'gzip ' : 'plain'}  ${(size / MB).toFixed(0)} MB, ${seen} rows in ${seconds.toFixed(1)} s (making it included): ${(size / MB / seconds).toFixed(0)} MB/s, at most ${(peak / MB).toFixed(0)} MB of memory for the whole process`)
}
