/**
 * Shipping of mini program orders. Codes and messages are from WeChat's documentation of uploadShippingInfo
 * and getOrder; 10060001, 10060003 and 10060004 were seen in WeChat's forum.
 */
import type { Order, State } from '../../state/state.ts'
import type { AccountCall } from '../official-account-calls.ts'
import type { PayV2 } from '../v2/v2.ts'
import { refuse } from '../wire.ts'

type Given = Record<string, unknown>

/** WeChat's record of an order's shipping. */
export interface Shipped {
  transaction_id: string
  out_trade_no: string
  openid: string
  goods_desc: string
  /** Time of the last upload, ISO 8601. */
  at: string
  state: 'shipping' | 'shipped'
  /** 1: express; 2: local delivery; 3: nothing to ship; 4: pickup. */
  logistics_type: number
  /** 1: one parcel; 2: several. */
  delivery_mode: number
  /** How many uploads completed the shipping. */
  finish_shipping_count: number
  shipping_list: Array<{ tracking_no?: string, express_company?: string, goods_desc: string, upload_time: number, contact?: unknown }>
}

/** How long until the shipping API knows a payment, in seconds times `timeScale`. WeChat's staff recommend waiting 10 s. */
const LAG = 10
/** Maximum parcels per order. */
const MOST = 15
const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/

const text = (value: unknown) => typeof value === 'string' ? value : ''
const object = (value: unknown): Given => value !== null && typeof value === 'object' ? value as Given : {}
const milliseconds = (compact: string) => Date.parse(compact.replace(/^(....)(..)(..)(..)(..)(..)$/, '$1-$2-$3T$4:$5:$6+08:00'))
const unknownOrder = () => refuse(10060001, '支付单不存在')

export function shipping (call: AccountCall, state: State, { orders, refunds }: Pick<PayV2, 'orders' | 'refunds'>): void {
  const shipped = state.memory.table<Shipped>('shipped')

  function paidOrder (order: Order | undefined): Order | undefined {
    const known = order !== undefined && order.transaction_id !== '' && state.now() - milliseconds(order.time_end) >= LAG * 1000 * state.timeScale
    return known ? order : undefined
  }

  /** `mchId`: the merchant that placed the order; in service provider mode the provider. */
  const byNumber = (mchId: string, number: string, subMchId = '') => mchId === state.account.mchId ? orders.find(number, subMchId) : undefined
  const isGone = (order: Order) => refunds.left(order) === 0

  function orderOf (key: Given): Order | ReturnType<typeof refuse> {
    if (key.order_number_type === 2) {
      if (text(key.transaction_id) === '') return refuse(268485195, '微信支付单号形式下 transaction_id 字段不能为空')
      return paidOrder(orders.byTransaction(text(key.transaction_id))) ?? unknownOrder()
    }
    if (key.order_number_type !== 1) return refuse(268485194, '订单单号类型非法')
    if (text(key.mchid) === '') return refuse(268485196, '商户侧单号形式下 mchid 字段不能为空')
    if (text(key.out_trade_no) === '') return refuse(268485197, '商户侧单号形式下 out_trade_no 字段不能为空')
    return paidOrder(byNumber(text(key.mchid), text(key.out_trade_no), text(key.sub_mchid))) ?? unknownOrder()
  }

  function contentProblem ({ logistics_type: way, delivery_mode: mode, is_all_delivered: all, shipping_list: list, upload_time: at }: Given) {
    if (![1, 2, 3, 4].includes(way as number)) return refuse(10060005, '物流类型有误')
    if (mode !== 1 && mode !== 2) return refuse(268485224, '发货模式非法')
    if (mode === 2 && way !== 1) return refuse(10060006, '非快递发货时不允许分拆发货')
    if (mode === 2 && typeof all !== 'boolean') return refuse(10060007, '分拆发货模式下必须填写 is_all_delivered 字段')
    if (!Array.isArray(list) || list.length === 0) return refuse(10060014, '参数错误')
    if (mode === 1 && list.length !== 1) return refuse(268485228, '统一发货模式下，物流信息列表长度必须为 1')
    if (list.length > MOST) return refuse(10060024, '物流信息列表太长')
    for (const parcel of list.map(object)) {
      if (text(parcel.item_desc) === '') return refuse(10060008, '商品描述 item_desc 字段不能为空')
      if ([...text(parcel.item_desc)].length > 120) return refuse(10060009, '商品描述 item_desc 字段太长')
      if (way === 1 && text(parcel.tracking_no) === '') return refuse(268485226, '物流单号不能为空')
      if (way === 1 && text(parcel.express_company) === '') return refuse(268485227, '物流公司编码不能为空')
      if (text(parcel.express_company).length > 128) return refuse(10060025, '物流公司编码太长')
      if (text(parcel.tracking_no).length > 128) return refuse(10060026, '物流单号太长')
    }
    if (!RFC_3339.test(text(at))) return refuse(268485216, '上传时间非法，请按照 RFC 3339 格式填写')
  }

  call('POST', '/wxa/sec/order/upload_shipping_info', given => {
    const problem = contentProblem(given)
    if (problem) return problem
    const order = orderOf(object(given.order_key))
    if ('errcode' in order) return order
    if (![order.openid, order.sub_openid].includes(text(object(given.payer).openid))) return refuse(10060031, '该笔支付单不属于 openid 所指定的用户')
    if (isGone(order)) return refuse(10060004, '支付单处于不可发货的状态')
    const before = shipped.get(order.transaction_id)
    const list = (given.shipping_list as Given[]).map(({ item_desc: goods, tracking_no: number, express_company: company, contact }) => ({
      ...(text(number) && { tracking_no: text(number) }), ...(text(company) && { express_company: text(company) }), goods_desc: text(goods), upload_time: Math.floor(Date.parse(text(given.upload_time)) / 1000), ...(contact !== undefined && { contact })
    }))
    const isComplete = given.delivery_mode === 1 || given.is_all_delivered === true
    if (before && fingerprint(before) === fingerprint({ ...before, logistics_type: given.logistics_type as number, delivery_mode: given.delivery_mode as number, state: isComplete ? 'shipped' : 'shipping', shipping_list: list })) return refuse(10060023, '发货信息未更新')
    // A completed shipping can be changed once.
    if (before && before.finish_shipping_count >= 2) return refuse(10060003, '支付单已使用重新发货机会')
    shipped.set(order.transaction_id, {
      transaction_id: order.transaction_id,
      out_trade_no: order.out_trade_no,
      openid: order.openid,
      goods_desc: list.map(({ goods_desc: goods }) => goods).join(';'),
      at: new Date(state.now()).toISOString(),
      state: isComplete ? 'shipped' : 'shipping',
      logistics_type: given.logistics_type as number,
      delivery_mode: given.delivery_mode as number,
      finish_shipping_count: (before?.finish_shipping_count ?? 0) + (isComplete ? 1 : 0),
      shipping_list: list
    })
    orders.note(order, 'shipped')
    return { errcode: 0, errmsg: 'ok' }
  })

  call('POST', '/wxa/sec/order/get_order', given => {
    const { transaction_id: id, merchant_id: mchId, merchant_trade_no: number, sub_merchant_id: sub } = given
    if (text(id) === '' && (text(mchId) === '' || text(number) === '')) return refuse(10060014, '请求参数非法')
    const order = paidOrder(text(id) === '' ? byNumber(text(mchId), text(number), text(sub)) : orders.byTransaction(text(id)))
    if (!order) return unknownOrder()
    const sent = shipped.get(order.transaction_id)
    return {
      errcode: 0,
      errmsg: 'ok',
      order: {
        transaction_id: order.transaction_id,
        merchant_trade_no: order.out_trade_no,
        merchant_id: order.mch_id,
        sub_merchant_id: order.sub_mch_id,
        description: order.body,
        paid_amount: order.total_fee,
        openid: order.openid,
        trade_create_time: Math.floor(Date.parse(order.history[0]?.at ?? '') / 1000),
        pay_time: Math.floor(milliseconds(order.time_end) / 1000),
        // 1: to be shipped; 2: shipped; 5: refunded.
        order_state: isGone(order) ? 5 : sent?.state === 'shipped' ? 2 : 1,
        in_complaint: false,
        shipping: sent
          ? { delivery_mode: sent.delivery_mode, logistics_type: sent.logistics_type, finish_shipping: sent.state === 'shipped', goods_desc: sent.goods_desc, finish_shipping_count: sent.finish_shipping_count, shipping_list: sent.shipping_list }
          : { finish_shipping: false, finish_shipping_count: 0, shipping_list: [] }
      }
    }
  })
}

/** The part of an upload that must differ from the previous one. */
const fingerprint = ({ logistics_type: way, delivery_mode: mode, state, shipping_list: list }: Shipped) =>
  JSON.stringify([way, mode, state, list.map(({ upload_time: _at, ...parcel }) => parcel)])
