/** Bills: typed, exact, complete or an error, in constant memory. */
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import t from 'tap'
import type { Test } from 'tap'
import { WechatNetworkError } from '../../../src/errors.ts'
import { fundFlowBill, tradeBill } from '../../../src/pay/bill.ts'
import type { BillSource } from '../../../src/pay/bill-table.ts'
import { toChinaDay } from '../../../src/pay/china-time.ts'
import { fenToYuan, yuanToFen, yuanToMilliFen } from '../../../src/pay/money.ts'
import { createPay } from '../../../src/pay/pay.ts'
import { ACCOUNT, OPENID, testEmulator } from '../../helpers/account.ts'
import { fakeServer } from '../../helpers/fake-server.ts'

const DAY = 86_400_000
const NAMES = '交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注'
const TOTALS = '总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额'
const ticked = (cells: string[]) => cells.map(cell => `\`${cell}`).join(',')
const HEAD = ['wxab8acd895ab1638a', '1921000401', '0', 'till7']
const PAID = ticked(['2026-11-20 23:59:59', ...HEAD, '4200000263202611200000000001', 'A_1', OPENID, 'JSAPI', 'SUCCESS', 'OTHERS', 'CNY', '0.29', '0.01', '0', '0', '0.00', '0.00', '', '', '咖啡, 大杯', 'a=1', '0.00174', '0.60%', '0.30', '0.00', ''])
const BACK = ticked(['2026-11-20 05:01:46', ...HEAD, '4200000263202611200000000001', 'A_1', OPENID, 'JSAPI', 'REFUND', 'OTHERS', 'CNY', '0.00', '0.00', '50000709672026112008420787722', 'R_1', '0.10', '0.00', 'ORIGINAL', 'SUCCESS', '咖啡, 大杯', 'a=1', '-0.00060', '0.60%', '0.00', '0.10', ''])
const SUM = ticked(['2.0', '0.29', '0.10', '0.0', '0.00', '0.30', '0.1'])
const BILL = [NAMES, PAID, BACK, TOTALS, SUM].join('\r\n')

const source = (text: string | Buffer, more: Partial<BillSource> = {}): BillSource => ({
  name: '/pay/downloadbill', open: async () => ({ body: Readable.from([Buffer.from(text)]) }), gzip: false, maxBytes: 1 << 20, ...more
})
const rowsOf = async <Row>(bill: AsyncIterable<Row>) => {
  const rows: Row[] = []
  for await (const row of bill) rows.push(row)
  return rows
}

t.test('rows in WeChat\'s format are typed', async t => {
  const bill = tradeBill(source(`\ufeff${BILL}\r\n`))
  t.equal(bill.summary, undefined)
  const [paid, back] = await rowsOf(bill)
  t.match(paid, {
    at: new Date('2026-11-20T23:59:59+08:00'), appId: 'wxab8acd895ab1638a', mchId: '1921000401', deviceInfo: 'till7', transactionId: '4200000263202611200000000001', outTradeNo: 'A_1', openid: OPENID, tradeType: 'JSAPI', state: 'SUCCESS', amount: 30, settlementAmount: 29, couponAmount: 1, description: '咖啡, 大杯', attach: 'a=1', feeMilliFen: 174, rate: '0.60%', refund: undefined
  })
  t.match(back, { state: 'REFUND', amount: 0, feeMilliFen: -60, refund: { refundId: '50000709672026112008420787722', outRefundNo: 'R_1', amount: 10, settlementAmount: 10, type: 'ORIGINAL', state: 'SUCCESS' } })
  t.match(bill.summary, { 总交易单数: '2.0', 退款总金额: '0.10' })
  t.equal(paid!.raw['商品名称'], '咖啡, 大杯')
})

t.test('older columns, and a description that imitates the next cell', async t => {
  const names = '交易时间,微信订单号,商户订单号,交易状态,总金额,企业红包金额,商品名称,商户数据包,手续费,费率'
  const old = [names, '`2016-11-20 23:59:59,`42,`A,`SUCCESS,`0.29,`0.00,`咖啡,`大杯,`x,`,`0.00,`0.60%', '总交易单数,总交易额,总退款金额,总企业红包退款金额,手续费总金额', '`1,`0.29,`0.00,`0.00,`0.00'].join('\n')
  const [row] = await rowsOf(tradeBill(source(old)))
  t.match(row, { amount: 29, settlementAmount: 29, outTradeNo: 'A', description: '咖啡,`大杯,`x', attach: '', feeMilliFen: 0, rate: '0.60%', currency: '' })
})

t.test('P15 truncated or altered anywhere: an error', async t => {
  const refused = async (text: string, why: RegExp, more: Partial<BillSource> = {}) => await t.rejects(rowsOf(tradeBill(source(text, more))), { code: 'WECHAT_REPLY', message: why }, String(why))
  for (let cut = 0; cut < BILL.length; cut += 7) {
    const outcome = await rowsOf(tradeBill(source(BILL.slice(0, cut)))).catch((error: unknown) => error)
    // Only the last value can lose digits and remain a number; then the sum differs.
    t.match(outcome, { code: 'WECHAT_REPLY' }, `cut at ${cut}`)
  }
  await refused(BILL.replace('`2.0,', '`3.0,'), /has 2 rows, but its summary says 3\.0/)
  await refused(BILL.replace(SUM, ticked(['2.0', '0.28', '0.10', '0.0', '0.00', '0.30', '0.1'])), /应结订单金额 does not add up/)
  await refused(BILL.replace('`0.30,`0.00,`\r\n', '`0.31,`0.00,`\r\n'), /订单金额 does not add up/)
  await refused(BILL.replace(`${BACK}\r\n`, ''), /has 1 rows/)
  await refused(`${BILL}\r\n${PAID}`, /continues after/)
  await refused(BILL.replace('`0.29', '`0.291'), /not whole fen/)
  await refused(BILL.replace('`0.29', '`1e2'), /an invalid amount/)
  await refused(BILL.replace('23:59:59', '24:59:59'), /an invalid time/)
  await refused(BILL.replace('`wxab8acd895ab1638a,', ''), /does not match its column names/)
  await refused(PAID, /does not match its column names/)
  await refused(BILL.replace(SUM, '`2.0'), /totals without names/)
  await refused(`${BILL}\r\n${TOTALS}`, /continues after/)
  await refused([NAMES, TOTALS, TOTALS].join('\n'), /third line/)
  await refused(BILL, /larger than allowed/, { maxBytes: 100 })
  await refused('x'.repeat(70_000), /does not consist of lines/)
  await refused('', /ends without its totals/)
})

t.test('gzip: decompressed while streaming; bombs, truncation and network errors are errors', async t => {
  const packed = gzipSync(BILL)
  t.equal((await rowsOf(tradeBill(source(packed, { gzip: true })))).length, 2)
  const oneByOne = { open: async () => ({ body: Readable.from([...packed].map(byte => Buffer.from([byte]))) }), gzip: true }
  t.equal((await rowsOf(tradeBill(source('', oneByOne)))).length, 2, 'a byte at a time')
  await t.rejects(rowsOf(tradeBill(source(packed.subarray(0, -9), { gzip: true }))), { code: 'WECHAT_REPLY', message: /truncated/ })
  await t.rejects(rowsOf(tradeBill(source('no gzip', { gzip: true }))), { code: 'WECHAT_REPLY', message: /not gzip/ })
  const bomb = gzipSync(`${NAMES}\n${Array(5000).fill(PAID).join('\n')}`)
  t.ok(bomb.length < 20_000)
  await t.rejects(rowsOf(tradeBill(source(bomb, { gzip: true }))), { code: 'WECHAT_REPLY', message: /larger than allowed/ })
  const lost = { gzip: true, open: async () => ({ body: Readable.from((async function * () { yield packed.subarray(0, 20); throw new WechatNetworkError('/pay/downloadbill', 'ECONNRESET', 'unknown') })()) }) }
  await t.rejects(rowsOf(tradeBill(source('', lost))), { code: 'WECHAT_NETWORK', reason: 'ECONNRESET' })
  const reader = tradeBill(source(packed, { gzip: true }))[Symbol.asyncIterator]()
  t.match(await reader.next(), { value: { outTradeNo: 'A_1' } })
  t.match(await reader.return?.(), { done: true }, 'a reader may stop early')
})

t.test('characters split between chunks', async t => {
  const bytes = Buffer.from(BILL)
  for (const size of [1, 2, 3, 1000]) {
    const parts = Array.from({ length: Math.ceil(bytes.length / size) }, (_none, at) => bytes.subarray(at * size, (at + 1) * size))
    t.same((await rowsOf(tradeBill(source('', { open: async () => ({ body: Readable.from(parts) }) })))).map(row => row.description), ['咖啡, 大杯', '咖啡, 大杯'])
  }
})

t.test('P16 yuan to fen, exactly, for every amount', t => {
  t.equal(yuanToFen('0.29'), 29)
  t.equal(yuanToFen('19.9'), 1990)
  t.equal(yuanToFen('-0.00'), 0)
  t.equal(yuanToFen('-0.01'), -1)
  t.equal(yuanToMilliFen('0.00174'), 174)
  for (const wrong of ['', '1e2', '0.001', '1,000.00', ' 1', '1.', '.5', '0x10', '１', '99999999999']) t.equal(yuanToFen(wrong), undefined, wrong)
  fc.assert(fc.property(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), fen => yuanToFen(fenToYuan(fen)) === fen))
  t.end()
})

async function shop (t: Test) {
  // The emulator starts two days ago, so that the day's bill is ready today.
  const emulator = await testEmulator(t, { now: () => Date.now() - 2 * DAY })
  const { merchant } = emulator.config
  const pay = createPay({ ...emulator.config, merchant: { ...merchant, notifyUrl: 'http://127.0.0.1:1/n' } })
  const day = toChinaDay(new Date(Date.now() - 2 * DAY))
  return { emulator, pay, day }
}

t.test('the emulator\'s trade and fund flow bills', async t => {
  const { emulator, pay, day } = await shop(t)
  const order = { outTradeNo: 'B1', description: '咖啡, 大杯', amount: 6800, openid: OPENID, attach: 'a=1' }
  await pay.jsapi(order)
  await emulator.pay('B1')
  await pay.jsapi({ ...order, outTradeNo: 'B2', amount: 29 })
  await emulator.pay('B2')
  await pay.refund({ outTradeNo: 'B1', outRefundNo: 'B1-1', amount: 800, total: 6800 })
  await t.rejects(rowsOf(pay.tradeBill({ date: day })), { code: 'WECHAT_API', wechatCode: '20001' }, 'the day is not over')
  emulator.advance(DAY - (Date.now() + 8 * 3600_000) % DAY + 1000)
  await t.rejects(rowsOf(pay.tradeBill({ date: day })), { code: 'WECHAT_API', wechatCode: '20007', retryable: true }, 'before ten in the morning')
  emulator.advance(DAY)
  const all = pay.tradeBill({ date: day })
  t.match(await rowsOf(all), [
    { outTradeNo: 'B1', amount: 6800, state: 'SUCCESS', description: '咖啡, 大杯', attach: 'a=1' }, { outTradeNo: 'B2', amount: 29 }, { outTradeNo: 'B1', state: 'REFUND', refund: { outRefundNo: 'B1-1', amount: 800 } }
  ])
  t.match(all.summary, { 总交易单数: '3.0', 订单总金额: '68.29', 申请退款总金额: '8.00' })
  t.equal((await rowsOf(pay.tradeBill({ date: day, type: 'SUCCESS' }))).length, 2)
  t.equal((await rowsOf(pay.tradeBill({ date: new Date(`${day}T12:00:00+08:00`), type: 'REFUND' }))).length, 1)
  await t.rejects(rowsOf(pay.tradeBill({ date: '2020-01-01' })), { code: 'WECHAT_API', wechatCode: '20002', statusCode: 404, message: /No Bill Exist/ })

  const flow = pay.fundFlowBill({ date: day })
  const moves = await rowsOf(flow)
  t.same(moves.map(({ direction, amount }) => [direction, amount]).sort(), [['in', 29], ['in', 6800], ['out', 800]])
  t.equal(moves.at(-1)!.balance, 6029)
  t.match(flow.summary, { 资金流水总笔数: '3.0' })
  await t.rejects(rowsOf(pay.fundFlowBill({ date: day, account: 'FEES' })), { code: 'WECHAT_API', wechatCode: '20002' })
  await t.rejects(pay.v2.download('/pay/downloadbill', { bill_date: day.replaceAll('-', ''), bill_type: 'X' }), { code: 'WECHAT_API', wechatCode: '20001' })
  const chunks = []
  for await (const chunk of await pay.v2.download('/pay/downloadbill', { bill_date: day.replaceAll('-', ''), bill_type: 'ALL' })) chunks.push(chunk)
  t.match(Buffer.concat(chunks).toString(), /^\ufeff交易时间,/, 'decompressed on request')
})

t.test('fund flow rows with neither income nor expense', async t => {
  const names = '记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额（元）,账户结余（元）,资金变更提交申请人,备注,业务凭证号'
  const row = (direction: string) => [names, ticked(['2026-11-20 00:00:00', '42', '43', '交易', '交易', direction, '0.29', '1.00', 'system', '', 'A']), '资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额', '`1,`1,`0.29,`0,`0.00'].join('\n')
  t.match(await rowsOf(fundFlowBill(source(row('收入')))), [{ direction: 'in', amount: 29, balance: 100, voucher: 'A', flowId: '43' }])
  await t.rejects(rowsOf(fundFlowBill(source(row('其他')))), { code: 'WECHAT_REPLY', message: /neither income nor expense/ })
})

t.test('invalid dates, and answers that are not a bill', async t => {
  const server = await fakeServer((_seen, reply) => { reply.writeHead(404).end('<html>not here</html>') })
  t.teardown(server.close)
  const pay = createPay({ ...ACCOUNT, endpoints: server.endpoints, http: { retries: 0 } })
  for (const date of ['2026-02-31', '20261120', '', new Date(NaN), new Date(), toChinaDay(new Date()), 42]) {
    t.throws(() => pay.tradeBill({ date: date as string }), { code: 'WECHAT_INPUT', field: 'date' }, String(date))
  }
  const read = () => rowsOf(pay.tradeBill({ date: '2026-11-01' }))
  await t.rejects(read(), { code: 'WECHAT_REPLY', message: /HTTP 404/ })
  server.become((_seen, reply) => { reply.end('<xml><return_code>FAIL') })
  await t.rejects(read(), { code: 'WECHAT_REPLY' })
  server.become((_seen, reply) => { reply.end() })
  await t.rejects(read(), { code: 'WECHAT_REPLY' })
  server.become((_seen, reply) => { reply.writeHead(502).end() })
  await t.rejects(read(), { code: 'WECHAT_NETWORK' })
  server.become((_seen, reply) => { reply.writeHead(302, { location: 'http://127.0.0.1:1' }).end() })
  await t.rejects(read(), { code: 'WECHAT_REPLY', message: /redirect/ })
  server.become((_seen, reply) => { reply.writeHead(200, { 'content-length': '1000' }).write(gzipSync(BILL)); setTimeout(() => reply.destroy(), 20) })
  await t.rejects(read(), { code: 'WECHAT_NETWORK' }, 'cut in the middle')
  server.become((_seen, reply) => { reply.destroy() })
  await t.rejects(read(), { code: 'WECHAT_NETWORK' })
  server.become((_seen, reply) => { reply.write('<xml>'); const more = setInterval(() => reply.write('x'.repeat(1000)), 1); reply.on('close', () => clearInterval(more)) })
  await t.rejects(read(), { code: 'WECHAT_REPLY' }, 'an error document without end')
})
