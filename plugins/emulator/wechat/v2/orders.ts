/** unifiedorder, orderquery, closeorder, and orders at the cashier. */
import { isIP } from 'node:net'
import { verifyV2 } from '../../../../src/pay/v2/sign.ts'
import type { Fields } from '../../../../src/pay/v2/xml.ts'
import { businessFailed, callFailed } from '../wire.ts'
import type { Values } from '../wire.ts'
import { chinaTime, openidProblem, orderKey, userOf } from '../../state/state.ts'
import type { Order, State } from '../../state/state.ts'
import type { V2Register, V2Handler, V2Request } from './check-request.ts'

/** Lifetime of a prepay_id, and of an order without time_expire, in milliseconds. */
const PREPAY_LIFE = 2 * 3600_000
const ORDER_LIFE = 7 * 86_400_000

const TRADE_TYPES = new Set(['JSAPI', 'APP', 'NATIVE', 'MWEB'])

/** `origin`: the emulator's own, for the URLs it returns. */
export function v2Orders (route: V2Register, state: State, origin: () => string, verifyRsa: (text: string, signature: string) => boolean) {
  // Indexes, so that no lookup iterates over all orders.
  const byTransaction = new Map<string, Order>()
  const byCode = new Map<string, Order>()
  const combined = new Map<string, Order[]>()
  for (const order of state.orders.values()) {
    if (order.transaction_id !== '') byTransaction.set(order.transaction_id, order)
    if (order.code_url !== '') byCode.set(order.code_url, order)
    if (order.combine_out_trade_no !== '') join(order)
  }

  function join (order: Order): void {
    const parts = combined.get(order.combine_out_trade_no) ?? []
    if (!parts.includes(order)) parts.push(order)
    combined.set(order.combine_out_trade_no, parts)
  }

  const unified = ({ fields, signType, sub }: V2Request): Values => {
    const problem = orderProblem(fields)
    if (problem) return problem
    const wanted = {
      ...orderFields(fields),
      trade_type: fields.trade_type as string,
      openid: fields.openid ?? '',
      sub_openid: fields.sub_openid ?? '',
      product_id: fields.product_id ?? ''
    }
    let order = find(fields.out_trade_no, sub.sub_mch_id)
    const over = order && endProblem(order)
    if (over) return over
    if (order && Object.entries(wanted).some(([name, value]) => order?.[name as keyof Order] !== value)) {
      return businessFailed('INVALID_REQUEST', '201 商户订单号重复')
    }
    order ??= add({ ...wanted, ...sub, appid: fields.appid as string, sign_type: signType, out_trade_no: fields.out_trade_no as string, notify_url: fields.notify_url as string, time_expire: fields.time_expire ?? '' }, 'placed')
    return {
      result_code: 'SUCCESS',
      prepay_id: prepay(order),
      trade_type: order.trade_type,
      ...(order.trade_type === 'NATIVE' && { code_url: order.code_url }),
      ...(order.trade_type === 'MWEB' && { mweb_url: `${origin()}/_emulator/h5?prepay_id=${order.prepay_id}&package=${state.random.digits(10)}` })
    }
  }
  route('/pay/unifiedorder', unified)
  const paidListeners: Array<(order: Order) => void> = []

  function orderProblem (fields: Fields): Values | undefined {
    for (const name of ['body', 'out_trade_no', 'total_fee', 'spbill_create_ip', 'notify_url', 'trade_type']) {
      if (!fields[name]) return businessFailed('LACK_PARAMS', `缺少参数${name}`)
    }
    const { trade_type: type = '', openid, sub_openid: subOpenid } = fields
    if (!TRADE_TYPES.has(type)) return callFailed(`您没有${type}支付权限`)
    const payer = openid || subOpenid
    if (type === 'JSAPI' && !payer) return callFailed('JSAPI支付必须传openid')
    const openidError = payer && openidProblem(state, payer)
    if (openidError) return callFailed(openidError)
    if (type === 'NATIVE' && !fields.product_id) return businessFailed('LACK_PARAMS', '缺少参数product_id')
    if (type === 'MWEB' && !fields.scene_info) return businessFailed('LACK_PARAMS', '缺少参数scene_info')
    return paramProblem(fields) ?? (/^https?:\/\/[^?#]+$/.test(fields.notify_url as string) ? undefined : bad('notify_url'))
  }

  function paramProblem (fields: Fields): Values | undefined {
    const { time_expire: expire } = fields
    if (!/^[0-9A-Za-z_\-|*@]{1,32}$/.test(fields.out_trade_no as string)) return bad('out_trade_no')
    // IJPay 81, silenceper/wechat 654.
    if (!/^\d+$/.test(fields.total_fee as string)) return callFailed('无法将输入源“/body/xml/total_fee”映射到目标字段“标价金额”中，此字段需要一个合法的 64 位有符号整数')
    if (!/^[1-9]\d{0,9}$/.test(fields.total_fee as string)) return bad('total_fee')
    if (Buffer.byteLength(fields.body as string) > 127) return bad('body')
    if (Buffer.byteLength(fields.attach ?? '') > 127) return bad('attach')
    if (!isIP(fields.spbill_create_ip as string)) return bad('spbill_create_ip')
    if (expire && (!/^\d{14}$/.test(expire) || expire <= chinaTime(state.now()))) return bad('time_expire')
  }

  const bad = (name: string) => businessFailed('PARAM_ERROR', `参数错误:${name}`)

  /** Why an order can no longer be paid. */
  function endProblem (order: Order): Values | undefined {
    if (order.trade_state === 'SUCCESS' || order.trade_state === 'REFUND') return businessFailed('ORDERPAID', '该订单已支付')
    if (order.trade_state === 'CLOSED') return businessFailed('ORDERCLOSED', '订单已关闭')
    if (order.trade_state === 'REVOKED') return businessFailed('ORDERREVERSED', '订单已撤销，请重新下单支付')
  }

  const query: V2Handler = ({ fields, sub }) => {
    const order = named(fields, sub.sub_mch_id)
    if (!order) return businessFailed('ORDERNOTEXIST', 'order not exist')
    const common = { result_code: 'SUCCESS', out_trade_no: order.out_trade_no, device_info: order.device_info, trade_state: order.trade_state, trade_state_desc: STATE_TEXTS[order.trade_state] }
    if (order.transaction_id !== '') return { ...common, attach: order.attach, ...paidFields(order) }
    // Recorded: an unpaid order has no attach; a closed one has an empty attach and no total_fee.
    return order.trade_state === 'CLOSED' ? { ...common, attach: null } : { ...common, total_fee: order.total_fee }
  }
  route('/pay/orderquery', query)

  route('/pay/closeorder', ({ fields, sub }) => {
    const order = find(fields.out_trade_no, sub.sub_mch_id)
    // Empty in every recorded answer.
    const empty: Values = sub.sub_mch_id === '' ? { sub_mch_id: null } : {}
    if (order?.trade_type === 'MICROPAY') return { ...empty, ...businessFailed('INVALID_REQUEST', '当前交易不允许进行普通关单（只能撤销）') }
    if (order?.trade_state === 'SUCCESS' || order?.trade_state === 'REFUND') return { ...empty, ...businessFailed('ORDERPAID', 'order paid') }
    if (order?.trade_state === 'NOTPAY') {
      order.trade_state = 'CLOSED'
      note(order, 'closed')
    }
    // Also for an unknown order.
    return { ...empty, result_code: 'SUCCESS' }
  })

  function add (given: Partial<Order> & Pick<Order, 'out_trade_no' | 'total_fee' | 'body' | 'trade_type' | 'sign_type'>, what: string): Order {
    const order: Order = {
      appid: state.account.appId,
      mch_id: state.account.mchId,
      sub_appid: '',
      sub_mch_id: '',
      attach: '',
      device_info: '',
      fee_type: 'CNY',
      openid: '',
      sub_openid: '',
      product_id: '',
      notify_url: '',
      combine_out_trade_no: '',
      prepay_id: '',
      code_url: '',
      profit_sharing: false,
      trade_state: 'NOTPAY',
      transaction_id: '',
      time_end: '',
      history: [],
      ...given,
      time_expire: given.time_expire || chinaTime(state.now() + ORDER_LIFE)
    }
    state.orders.set(orderKey(order.out_trade_no, order.sub_mch_id), order)
    note(order, what)
    return order
  }

  function find (number: string | undefined, subMchId = ''): Order | undefined {
    const order = state.orders.get(orderKey(number ?? '', subMchId))
    if (order?.trade_state === 'NOTPAY' && order.time_expire <= chinaTime(state.now())) {
      order.trade_state = 'CLOSED'
      note(order, 'expired')
    }
    return order
  }

  /** The order that a call names, by transaction_id or out_trade_no. */
  function named ({ transaction_id: id, out_trade_no: number }: Fields, subMchId = ''): Order | undefined {
    if (!id) return find(number, subMchId)
    const order = byTransaction.get(id)
    return order?.sub_mch_id === subMchId ? order : undefined
  }

  function note (order: Order, what: string) {
    order.history.push({ at: new Date(state.now()).toISOString(), what })
    changed(order)
  }

  const changedListeners: Array<(order: Order) => void> = []
  /** Reports that the order may change before the current call ends. */
  function changed (order: Order) {
    for (const listener of changedListeners) listener(order)
  }

  const isAlive = (prepayId: string) => (state.prepays.get(prepayId)?.until ?? 0) > state.now()

  /** A valid prepay_id: the existing one if it has not expired. */
  function prepay (order: Order): string {
    if (!isAlive(order.prepay_id)) {
      order.prepay_id = `wx${chinaTime(state.now())}${state.random.hex(10)}`
      state.prepays.set(order.prepay_id, { out_trade_no: order.out_trade_no, sub_mch_id: order.sub_mch_id, until: state.now() + PREPAY_LIFE })
    }
    // Placing an order again replaces its code.
    if (order.trade_type === 'NATIVE') {
      byCode.delete(order.code_url)
      order.code_url = `weixin://wxpay/bizpayurl?pr=${state.random.hex(4)}zz`
      byCode.set(order.code_url, order)
    }
    changed(order)
    return order.prepay_id
  }

  /** The order of a valid prepay_id. */
  function byPrepayId (id: string): Order | undefined {
    const { out_trade_no: number, sub_mch_id: sub } = state.prepays.get(id) ?? {}
    return isAlive(id) ? find(number, sub) : undefined
  }

  return {
    query,
    unified,
    /** The listener is called for each new or changed order. It must read the order later, because the change may not be complete. */
    onChanged: (listener: (order: Order) => void) => { changedListeners.push(listener) },
    changed,
    onPaid: (listener: (order: Order) => void) => { paidListeners.push(listener) },
    add,
    prepay,
    find,
    named,
    note,
    paramProblem,
    endProblem,
    byPrepayId,
    byCodeUrl: (url: string) => byCode.get(url),
    byTransaction: (id: string) => byTransaction.get(id),
    /** Adds an order to a combined one. */
    combine (order: Order, number: string): void {
      order.combine_out_trade_no = number
      join(order)
      changed(order)
    },
    partsOf: (number: string): Order[] => combined.get(number) ?? [],
    /** Checks the parameters from a page: returns the order, or why it cannot be paid with them. `refused` is called for a wrong signature. */
    atCashier ({ appId, timeStamp, nonceStr, package: pack, signType, paySign }: Record<string, unknown>, refused: (order: Order) => void): Order | string {
      const order = byPrepayId(/^prepay_id=(\S+)$/.exec(String(pack))?.[1] ?? '')
      if (!order) return '调用支付JSAPI缺少参数: total_fee'
      const fields = { appId, timeStamp, nonceStr, package: pack, signType, sign: paySign } as Record<string, string>
      const claimed = typeof timeStamp === 'string' && appId === (order.sub_appid || order.appid) && signType === order.sign_type
      const right = claimed && (order.sign_type === 'RSA'
        ? verifyRsa(`${appId}\n${timeStamp}\n${nonceStr}\n${pack}\n`, String(paySign))
        : verifyV2(fields, state.account.apiKey, order.sign_type))
      if (!right) refused(order)
      return right ? order : '支付验证签名失败'
    },
    /** The same for an app's PayReq, which signs the bare prepay_id. */
    atCashierOfApp ({ appid, partnerid, prepayid, package: pack, noncestr, timestamp, sign }: Record<string, unknown>, refused: (order: Order) => void): Order | string {
      const order = byPrepayId(String(prepayid))
      if (!order || order.trade_type !== 'APP') return '商户订单号不存在或已过期'
      const fields = { appid, partnerid, prepayid, package: pack, noncestr, timestamp, sign } as Record<string, string>
      const claimed = pack === 'Sign=WXPay' && appid === (order.sub_appid || order.appid) && partnerid === (order.sub_mch_id || order.mch_id)
      const right = claimed && (order.sign_type === 'RSA'
        ? verifyRsa(`${appid}\n${timestamp}\n${noncestr}\n${prepayid}\n`, String(sign))
        : verifyV2(fields, state.account.apiKey, order.sign_type))
      if (!right) refused(order)
      return right ? order : '支付验证签名失败'
    },
    /** The visitor pays. False if the order cannot be paid. */
    pay (order: Order, openid?: string): boolean {
      const tradeState = find(order.out_trade_no, order.sub_mch_id)?.trade_state
      if (tradeState !== 'NOTPAY' && tradeState !== 'USERPAYING') return false
      if (order.openid === '') order.openid = userOf(state, openid).openid
      order.trade_state = 'SUCCESS'
      order.transaction_id = `42000${state.random.digits(5)}${chinaTime(state.now()).slice(0, 8)}${state.random.digits(10)}`
      order.time_end = chinaTime(state.now())
      byTransaction.set(order.transaction_id, order)
      state.balance += order.total_fee
      note(order, 'paid')
      for (const listener of paidListeners) listener(order)
      return true
    },
    cancel (order: Order): void {
      if (order.trade_state === 'USERPAYING') order.trade_state = 'PAYERROR'
      note(order, 'cancelled at the cashier')
    }
  }
}

export const STATE_TEXTS = { NOTPAY: '订单未支付', USERPAYING: '需要用户输入支付密码', SUCCESS: '支付成功', REFUND: '订单发生过退款，退款详情请查询退款单', CLOSED: '订单已关闭', REVOKED: '订单已撤销', PAYERROR: '支付失败' } as const

/** The fields of an order that all trade types share. */
export function orderFields (fields: V2Request['fields']) {
  return {
    body: fields.body as string,
    attach: fields.attach ?? '',
    device_info: fields.device_info ?? '',
    total_fee: Number(fields.total_fee),
    fee_type: fields.fee_type || 'CNY',
    profit_sharing: fields.profit_sharing === 'Y'
  }
}

/** A paid order's fields in both queries and notifications. */
export function paidFields (order: Order): Values {
  return {
    openid: order.openid,
    is_subscribe: 'Y',
    sub_openid: order.sub_openid,
    trade_type: order.trade_type,
    bank_type: 'OTHERS',
    total_fee: order.total_fee,
    fee_type: order.fee_type,
    // As recorded: cash_fee is in CDATA, total_fee is bare.
    cash_fee: String(order.total_fee),
    transaction_id: order.transaction_id,
    time_end: order.time_end
  }
}

export type V2Orders = ReturnType<typeof v2Orders>
