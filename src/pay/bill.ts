/** A day's bills as typed rows: WeChat Pay documentation, "Download trade bill" and "Download fund flow bill" (v2 and v3 send the same text). */
import { WechatInputError, WechatReplyError } from '../errors.ts'
import { readTable } from './bill-table.ts'
import type { BillSource, TableRow } from './bill-table.ts'
import { fromChinaTime, toChinaDay } from './china-time.ts'
import { yuanToFen, yuanToMilliFen } from './money.ts'

/** Yields rows as they arrive. Once the last row is read and the sums are verified, `summary` has the closing line. */
export interface Bill<Row> extends AsyncIterable<Row> {
  /** WeChat's closing line, by WeChat's own column names, amounts in yuan. Undefined until all rows have been read. */
  readonly summary: Readonly<Record<string, string>> | undefined
}

export interface TradeBillRow {
  /** When it was paid; in a refund's row, when the refund was requested. */
  at: Date
  appId: string
  mchId: string
  /** '' or '0' without service provider mode. */
  subMchId: string
  deviceInfo: string
  transactionId: string
  outTradeNo: string
  openid: string
  tradeType: string
  /** SUCCESS: a payment. REFUND: a refund. REVOKED: a reversed pay-by-code order. */
  state: string
  bank: string
  currency: string
  /** Integer fen: the order's amount; 0 in a refund's row. */
  amount: number
  /** Integer fen: the amount to be settled, without the merchant's own coupons. */
  settlementAmount: number
  /** Integer fen. */
  couponAmount: number
  refund?: {
    refundId: string
    outRefundNo: string
    /** Integer fen: the requested refund. */
    amount: number
    /** Integer fen: what the refund deducts from the settlement. */
    settlementAmount: number
    /** ORIGINAL: to the original account. BALANCE: to the payer's balance. */
    type: string
    state: string
  }
  description: string
  attach: string
  /** Integer 0.00001 yuan (a thousandth of a fen), negative if it is returned. */
  feeMilliFen: number
  /** In WeChat's format: `0.60%`. */
  rate: string
  /** WeChat's own columns, as received. */
  raw: TableRow
}

export interface FundFlowBillRow {
  at: Date
  /** WeChat's number of the underlying transaction: a transactionId, a refundId … */
  transactionId: string
  /** WeChat's number of this movement. */
  flowId: string
  business: string
  businessType: string
  direction: 'in' | 'out'
  /** Integer fen. */
  amount: number
  /** Integer fen: the account's balance afterwards. */
  balance: number
  applicant: string
  note: string
  voucher: string
  raw: TableRow
}

export interface TradeBillRequest {
  /** The day in China: `yyyy-MM-dd`, or any moment of that day. Available after 10:00 (China time) of the next day, for three months. */
  date: string | Date
  /** Default ALL. */
  type?: 'ALL' | 'SUCCESS' | 'REFUND'
}

export interface FundFlowBillRequest {
  date: string | Date
  /** Default BASIC. */
  account?: 'BASIC' | 'OPERATION' | 'FEES'
}

/** `yyyy-MM-dd` of a day that is over in China. @throws WechatInputError */
export function checkBillDate (date: unknown): string {
  const day = date instanceof Date && !Number.isNaN(date.getTime()) ? toChinaDay(date) : date
  if (typeof day !== 'string' || !fromChinaTime(`${day} 00:00:00`)) throw new WechatInputError('date', 'must be a Date or yyyy-MM-dd')
  if (day >= toChinaDay(new Date())) throw new WechatInputError('date', 'must be a day that is over in China: WeChat creates the bill on the next morning')
  return day
}

/** @throws (while it is read) WechatReplyError if a row is invalid or the rows do not add up to the summary */
export const tradeBill = (source: BillSource): Bill<TradeBillRow> => billOf(source, asTrade, TRADE_TOTALS, '总交易单数')
export const fundFlowBill = (source: BillSource): Bill<FundFlowBillRow> => billOf(source, asFlow, [], '资金流水总笔数')

/** A column whose sum is in the closing line; older bills have other names for some. */
type Total = readonly [column: string, ...totals: string[]]

const TRADE_TOTALS: readonly Total[] = [
  ['应结订单金额', '应结订单总金额'],
  ['总金额', '总交易额'],
  ['退款金额', '退款总金额', '总退款金额'],
  ['充值券退款金额', '充值券退款总金额'],
  ['订单金额', '订单总金额'],
  ['申请退款金额', '申请退款总金额'],
  ['手续费', '手续费总金额']
]

function billOf<Row> (source: BillSource, typed: (row: TableRow, source: BillSource) => Row, totals: readonly Total[], count: string): Bill<Row> {
  let summary: TableRow | undefined

  async function * rows (): AsyncGenerator<Row> {
    const table = readTable(source)
    const sums = new Map<string, number>()
    let rows = 0
    try {
      for (;;) {
        const { done, value } = await table.next()
        if (done) {
          checkTotals(source.name, value, rows, sums, totals, count)
          summary = value
          return
        }
        rows++
        for (const [column] of totals) {
          const cell = value[column]
          if (cell) sums.set(column, (sums.get(column) ?? 0) + milliFen(source.name, cell))
        }
        yield typed(value, source)
      }
    } finally {
      // If the caller leaves the loop, or a row is refused, close the connection as well.
      await table.return(EMPTY_ROW)
    }
  }

  return { [Symbol.asyncIterator]: rows, get summary () { return summary } }
}

/** The return value of a table that is not read to its end. */
const EMPTY_ROW: TableRow = {}

function checkTotals (name: string, summary: TableRow, rows: number, sums: ReadonlyMap<string, number>, totals: readonly Total[], count: string): void {
  if (Number(summary[count]) !== rows) throw new WechatReplyError(name, `the bill has ${rows} rows, but its summary says ${summary[count] ?? 'nothing'}`)
  for (const [column, ...names] of totals) {
    const declared = names.map(total => summary[total]).find(total => total !== undefined)
    if (declared === undefined || !sums.has(column)) continue
    // The closing line rounds fees; amounts are whole fen.
    if (Math.abs(milliFen(name, declared) - (sums.get(column) as number)) >= 1000) throw new WechatReplyError(name, `the bill's ${column} does not add up to its total`)
  }
}

function milliFen (name: string, cell: string): number {
  const amount = yuanToMilliFen(cell)
  if (amount === undefined) throw new WechatReplyError(name, 'the bill has an invalid amount')
  return amount
}

/** The first of these columns that exists in the bill; '' if none does. */
const cellOf = (row: TableRow, ...columns: string[]) => columns.map(column => row[column]).find(cell => cell !== undefined) ?? ''

function fenOf (name: string, cell: string): number {
  const fen = yuanToFen(cell === '' ? '0' : cell)
  if (fen === undefined) throw new WechatReplyError(name, 'the bill has an amount that is not whole fen')
  return fen
}

function timeOf (name: string, cell: string): Date {
  const at = fromChinaTime(cell)
  if (!at) throw new WechatReplyError(name, 'the bill has an invalid time')
  return at
}

function asTrade (row: TableRow, { name }: BillSource): TradeBillRow {
  const fen = (...columns: string[]) => fenOf(name, cellOf(row, ...columns))
  const settlementAmount = fen('应结订单金额', '总金额')
  const refundId = cellOf(row, '微信退款单号')
  return {
    at: timeOf(name, cellOf(row, '交易时间')),
    appId: cellOf(row, '公众账号ID'),
    mchId: cellOf(row, '商户号'),
    subMchId: cellOf(row, '特约商户号', '子商户号'),
    deviceInfo: cellOf(row, '设备号'),
    transactionId: cellOf(row, '微信订单号'),
    outTradeNo: cellOf(row, '商户订单号'),
    openid: cellOf(row, '用户标识'),
    tradeType: cellOf(row, '交易类型'),
    state: cellOf(row, '交易状态'),
    bank: cellOf(row, '付款银行'),
    currency: cellOf(row, '货币种类'),
    amount: row['订单金额'] === undefined ? settlementAmount : fen('订单金额'),
    settlementAmount,
    couponAmount: fen('代金券金额', '代金券或立减优惠金额', '企业红包金额'),
    ...(refundId !== '' && refundId !== '0' && {
      refund: {
        refundId,
        outRefundNo: cellOf(row, '商户退款单号'),
        amount: fen('申请退款金额', '退款金额'),
        settlementAmount: fen('退款金额'),
        type: cellOf(row, '退款类型'),
        state: cellOf(row, '退款状态')
      }
    }),
    description: cellOf(row, '商品名称'),
    attach: cellOf(row, '商户数据包'),
    feeMilliFen: milliFen(name, cellOf(row, '手续费') || '0'),
    rate: cellOf(row, '费率'),
    raw: row
  }
}

function asFlow (row: TableRow, { name }: BillSource): FundFlowBillRow {
  const direction = cellOf(row, '收支类型')
  if (direction !== '收入' && direction !== '支出') throw new WechatReplyError(name, 'the bill has a movement that is neither income nor expense')
  return {
    at: timeOf(name, cellOf(row, '记账时间')),
    transactionId: cellOf(row, '微信支付业务单号'),
    flowId: cellOf(row, '资金流水单号'),
    business: cellOf(row, '业务名称'),
    businessType: cellOf(row, '业务类型'),
    direction: direction === '收入' ? 'in' : 'out',
    amount: fenOf(name, cellOf(row, '收支金额(元)', '收支金额（元）')),
    balance: fenOf(name, cellOf(row, '账户结余(元)', '账户结余（元）')),
    applicant: cellOf(row, '资金变更提交申请人'),
    note: cellOf(row, '备注'),
    voucher: cellOf(row, '业务凭证号'),
    raw: row
  }
}
