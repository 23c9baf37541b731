/** downloadbill and downloadfundflow. The bill texts are shared with v3. */
import { gzipSync } from 'node:zlib'
import type { FastifyReply } from 'fastify'
import { v2Xml } from '../wire.ts'
import { chinaTime, orderKey } from '../../state/state.ts'
import type { Order, Refund, State } from '../../state/state.ts'
import type { V2Register } from './check-request.ts'
import { withSeparators } from './refunds.ts'

export function v2Bills (route: V2Register, state: State): void {
  route('/pay/downloadbill', ({ fields }, reply) => {
    if (!fields.bill_date) return failed(reply, 'missing parameter', '20001')
    const day = fields.bill_date
    if (!['ALL', 'SUCCESS', 'REFUND'].includes(fields.bill_type ?? 'ALL')) return failed(reply, 'invalid bill_type', '20001')
    return send(reply, day, fields.tar_type, tradeBillText(state, day, fields.bill_type ?? 'ALL'))
  })

  route('/pay/downloadfundflow', ({ fields }, reply) => {
    if (!fields.bill_date || !fields.account_type) return failed(reply, 'Param Error', '20001')
    if (!['Basic', 'Operation', 'Fees'].includes(fields.account_type ?? '')) return failed(reply, 'invalid account_type', '20001')
    const day = fields.bill_date ?? ''
    // Payments and refunds only affect the basic account.
    return send(reply, day, fields.tar_type, fields.account_type === 'Basic' ? fundFlowText(state, day) : undefined)
  }, { cert: true, signType: 'HMAC-SHA256' })

  function send (reply: FastifyReply, day: string, tarType: string | undefined, text: string | undefined): FastifyReply {
    if (!/^\d{8}$/.test(day) || day >= chinaTime(state.now()).slice(0, 8)) return failed(reply, 'invalid bill_date', '20001')
    if (!isBillReady(state, day)) return failed(reply, 'Bill Creating', '20007')
    if (text === undefined) return failed(reply, 'No Bill Exist', '20002')
    return tarType === 'GZIP'
      ? reply.type('application/x-gzip').send(gzipSync(text))
      : reply.type('text/plain').send(text)
  }

  const failed = (reply: FastifyReply, message: string, code: string) =>
    reply.type('text/plain').send(v2Xml({ return_code: 'FAIL', return_msg: message, error_code: code }))
}

/** A day's bills are ready at 10:00 the next morning. */
export function isBillReady (state: State, day: string): boolean {
  const readyAt = Date.parse(`${day.replace(/^(....)(..)(..)$/, '$1-$2-$3')}T10:00:00+08:00`) + 86_400_000
  return state.now() >= readyAt
}

const yuan = (fen: number, decimals = 2) => (fen / 100).toFixed(decimals)
const row = (cells: Array<string | number>) => cells.map(cell => `\`${cell}`).join(',')
/** WeChat's fee of 0.6 %, rounded to whole fen. */
const feeOf = (fen: number) => Math.round(fen * 0.006)

const TRADE_COLUMNS = '交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注'
const TRADE_TOTALS = '总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额'

/** `day`: yyyyMMdd. Undefined if there was no payment or refund that day. */
export function tradeBillText (state: State, day: string, type: string): string | undefined {
  const orders = [...state.orders.values()]
  const paid = type === 'REFUND' ? [] : orders.filter(order => order.time_end.startsWith(day))
  const refunds = type === 'SUCCESS' ? [] : [...state.refunds.values()].filter(refund => chinaTime(refund.created_at).startsWith(day))
  if (paid.length + refunds.length === 0) return undefined
  const byTransaction = new Map(orders.map(order => [order.transaction_id, order]))
  const orderOf = (refund: Refund) => byTransaction.get(refund.transaction_id) as Order
  const head = (order: Order, at: string, state: string) =>
    [withSeparators(at), order.appid, order.mch_id, order.sub_mch_id || '0', order.device_info, order.transaction_id, order.out_trade_no, order.openid, order.trade_type, state, 'OTHERS', order.fee_type]
  const rows = [
    ...paid.map(order => row([...head(order, order.time_end, 'SUCCESS'), yuan(order.total_fee), '0.00', '0', '0', '0.00', '0.00', '', '', order.body, order.attach, yuan(feeOf(order.total_fee), 5), '0.60%', yuan(order.total_fee), '0.00', ''])),
    ...refunds.map(refund => {
      const order = orderOf(refund)
      return row([...head(order, chinaTime(refund.created_at), 'REFUND'), '0.00', '0.00', refund.refund_id, refund.out_refund_no, yuan(refund.refund_fee), '0.00', 'ORIGINAL', refund.refund_status, order.body, order.attach, yuan(-feeOf(refund.refund_fee), 5), '0.60%', '0.00', yuan(refund.refund_fee), ''])
    })
  ]
  const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0)
  const [paidTotal, refundTotal] = [sum(paid.map(order => order.total_fee)), sum(refunds.map(refund => refund.refund_fee))]
  const fees = sum(paid.map(order => feeOf(order.total_fee))) - sum(refunds.map(refund => feeOf(refund.refund_fee)))
  // WeChat's bills begin with a byte-order mark.
  return `\ufeff${[TRADE_COLUMNS, ...rows, TRADE_TOTALS, row([`${rows.length}.0`, yuan(paidTotal), yuan(refundTotal), '0.0', yuan(fees, 5), yuan(paidTotal), yuan(refundTotal)])].join('\r\n')}\r\n`
}

const FLOW_COLUMNS = '记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),资金变更提交申请人,备注,业务凭证号'
const FLOW_TOTALS = '资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额'

/** `subMchId`: only this sub-merchant's. Default: all. */
export function fundFlowText (state: State, day: string, subMchId?: string): string | undefined {
  const isIncluded = (order: Order | undefined) => subMchId === undefined || order?.sub_mch_id === subMchId
  const incoming = [...state.orders.values()].filter(order => order.time_end.startsWith(day) && isIncluded(order))
    .map(order => ({ at: order.time_end, id: order.transaction_id, name: '交易', amount: order.total_fee, voucher: order.out_trade_no }))
  const outgoing = [...state.refunds.values()].filter(refund => chinaTime(refund.created_at).startsWith(day) && (subMchId === undefined || isIncluded(state.orders.get(orderKey(refund.out_trade_no, subMchId)))))
    .map(refund => ({ at: chinaTime(refund.created_at), id: refund.refund_id, name: '退款', amount: -refund.refund_fee, voucher: refund.out_refund_no }))
  if (incoming.length + outgoing.length === 0) return undefined
  let balance = 0
  const rows = [...incoming, ...outgoing].sort((one, other) => one.at < other.at ? -1 : 1).map(({ at, id, name, amount, voucher }) => {
    balance += amount
    return row([withSeparators(at), id, state.random.digits(16), name, name, amount < 0 ? '支出' : '收入', yuan(Math.abs(amount)), yuan(balance), 'system', '', voucher])
  })
  const sum = (moves: Array<{ amount: number }>) => yuan(Math.abs(moves.reduce((total, { amount }) => total + amount, 0)))
  return `${[FLOW_COLUMNS, ...rows, FLOW_TOTALS, row([`${rows.length}.0`, `${incoming.length}.0`, sum(incoming), `${outgoing.length}.0`, sum(outgoing)])].join('\r\n')}\r\n`
}
