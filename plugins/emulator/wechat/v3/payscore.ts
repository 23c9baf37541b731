/** /v3/payscore/serviceorder: pay after use. */
import { chinaTime, openidProblem, userOf } from '../../state/state.ts'
import { parametersDiffer } from './area.ts'
import type { V3Area } from './area.ts'
import { invalid, list, object, text } from './shape.ts'
import type { Json } from './shape.ts'
import { refuse } from './wire.ts'
import type { V3Error } from './wire.ts'

export interface ServiceOrder {
  out_order_no: string
  order_id: string
  service_id: string
  service_introduction: string
  openid: string
  state: 'CREATED' | 'DOING' | 'DONE' | 'REVOKED' | 'EXPIRED'
  /** '' unless `state` is DOING. */
  description: '' | 'USER_CONFIRM' | 'MCH_COMPLETE'
  payments: Json[]
  discounts: Json[]
  risk_fund: Json | undefined
  total_amount: number
  collection: 'none' | 'USER_PAYING' | 'USER_PAID'
  paid_type: 'NEWTON' | 'MCH'
  paid_time: string
  transaction_id: string
  time_range: Json
  location: Json | undefined
  attach: string
  notify_url: string
  package: string
  reason: string
}

/** How long until a completed order is charged, in seconds times `timeScale`. */
const DURATION = 60

export function v3Payscore ({ route, state, sendEvent, after }: V3Area) {
  const services = state.memory.table<ServiceOrder>('serviceOrders')
  const { account } = state
  for (const order of services.values()) if (order.collection === 'USER_PAYING') after(DURATION, () => collect(order))
  const base = '/v3/payscore/serviceorder'

  const idProblem = (given: Json): V3Error | undefined => given.appid !== undefined && given.appid !== account.appId ? refuse(400, 'APPID_MCHID_NOT_MATCH', 'appid和mch_id不匹配', 268445527) : undefined
  const stateProblem = (now: string) => refuse(400, 'INVALID_ORDER_STATE', `单据状态错误：${now}`)

  /** The payments minus the discounts; NaN if one of them is not an integer. */
  const sumOf = (payments: Json[], discounts: Json[]) => {
    const total = (items: Json[]) => items.reduce((sum, { amount = 0 }) => sum + (Number.isInteger(amount) && (amount as number) >= 0 ? amount as number : NaN), 0)
    return total(payments) - total(discounts)
  }
  const amountProblem = (body: Json): V3Error | undefined =>
    sumOf(list(body.post_payments), list(body.post_discounts)) === body.total_amount ? undefined : refuse(400, 'PARAM_ERROR', '总金额与付费项目、优惠项目的金额不一致')

  function named (number: string | undefined, given: Json): ServiceOrder | V3Error {
    const order = services.get(number ?? '')
    if (!order || order.service_id !== given.service_id) return refuse(404, 'ORDER_NOT_EXIST', '订单不存在', 268512771)
    return idProblem(given) ?? order
  }

  const collectionOf = (it: ServiceOrder): Json => it.collection === 'none'
    ? { need_collection: false }
    : {
        need_collection: true,
        collection: {
          state: it.collection,
          total_amount: it.total_amount,
          paying_amount: it.collection === 'USER_PAYING' ? it.total_amount : 0,
          paid_amount: it.collection === 'USER_PAID' ? it.total_amount : 0,
          ...(it.collection === 'USER_PAID' && { details: [{ ...(it.paid_type === 'NEWTON' && { seq: 1 }), amount: it.total_amount, paid_type: it.paid_type, paid_time: it.paid_time, ...(it.transaction_id && { transaction_id: it.transaction_id }) }] })
        }
      }

  const json = (it: ServiceOrder): Json => ({
    appid: account.appId,
    mchid: account.mchId,
    out_order_no: it.out_order_no,
    service_id: it.service_id,
    service_introduction: it.service_introduction,
    state: it.state,
    ...(it.description && { state_description: it.description }),
    ...(it.payments.length > 0 && { post_payments: it.payments }),
    ...(it.discounts.length > 0 && { post_discounts: it.discounts }),
    ...(it.risk_fund && { risk_fund: it.risk_fund }),
    time_range: it.time_range,
    ...(it.location && { location: it.location }),
    ...(it.attach && { attach: it.attach }),
    notify_url: it.notify_url,
    order_id: it.order_id
  })
  const fullJson = (it: ServiceOrder): Json => ({ ...json(it), ...(it.state === 'DONE' && { total_amount: it.total_amount, ...collectionOf(it) }), ...(it.openid && { openid: it.openid }) })
  const without = (body: Json, ...names: string[]): Json => Object.fromEntries(Object.entries(body).filter(([name]) => !names.includes(name)))

  function notify (it: ServiceOrder, event: 'USER_CONFIRM' | 'USER_PAID'): void {
    sendEvent({ url: it.notify_url, type: `PAYSCORE.${event}`, originalType: 'payscore', summary: event === 'USER_PAID' ? '支付分订单支付成功' : '用户确认订单', content: without(fullJson(it), 'notify_url') })
  }

  const make = (body: Json): ServiceOrder => ({
    out_order_no: text(body.out_order_no),
    order_id: `${chinaTime(state.now())}${state.random.digits(14)}`,
    service_id: text(body.service_id),
    service_introduction: text(body.service_introduction),
    openid: text(body.openid),
    state: 'CREATED',
    description: '',
    payments: list(body.post_payments),
    discounts: list(body.post_discounts),
    risk_fund: body.risk_fund === undefined ? undefined : object(body.risk_fund),
    total_amount: 0,
    collection: 'none',
    paid_type: 'NEWTON',
    paid_time: '',
    transaction_id: '',
    time_range: object(body.time_range),
    location: body.location === undefined ? undefined : object(body.location),
    attach: text(body.attach),
    notify_url: text(body.notify_url),
    package: `DJIOSQPYWDxsjdldeuwhdodwxasd_dDiodnwjh9we${state.random.hex(8)}`,
    reason: ''
  })

  const isSame = (order: ServiceOrder, body: Json) => order.service_id === body.service_id && order.service_introduction === text(body.service_introduction) && JSON.stringify(order.risk_fund) === JSON.stringify(body.risk_fund)
  const LINES = ['post_payments', 'post_payments[]/amount#', 'post_discounts', 'post_discounts[]/amount#']

  route('POST', base, ({ body }) => {
    const problem = idProblem(body)
    if (problem) return problem
    if (!['DEPOSIT', 'ADVANCE', 'CASH_DEPOSIT', 'ESTIMATE_ORDER_COST'].includes(text(object(body.risk_fund).name))) return invalid('risk_fund/name')
    if (!(object(body.risk_fund).amount as number > 0)) return invalid('risk_fund/amount')
    if (body.openid !== undefined && openidProblem(state, text(body.openid))) return refuse(400, 'PARAM_ERROR', 'appid和openid不匹配', 268445527)
    const before = services.get(text(body.out_order_no))
    if (before && !isSame(before, body)) return parametersDiffer()
    const order = before ?? make(body)
    services.set(order.out_order_no, order)
    if (!before && body.need_user_confirm === false) confirm(order)
    return { ...json(order), package: order.package }
  }, { body: ['out_order_no!', 'appid!', 'service_id!', 'service_introduction!', ...LINES, 'time_range/start_time!', 'time_range!', 'location', 'risk_fund!', 'risk_fund/name!', 'risk_fund/amount!#', 'attach', 'notify_url!', 'openid', 'need_user_confirm', 'device'] })

  route('GET', base, ({ query }) => {
    const order = named(query.out_order_no, query)
    return 'inner' in order ? order : fullJson(order)
  }, { query: ['service_id', 'appid'] })

  route('POST', `${base}/:number/cancel`, ({ params, body }) => {
    const order = named(params.number, body)
    if ('inner' in order) return order
    if (order.state !== 'CREATED' && order.state !== 'DOING' && order.state !== 'REVOKED') return stateProblem(order.state)
    order.state = 'REVOKED'
    order.description = ''
    order.reason = text(body.reason)
    return { appid: account.appId, mchid: account.mchId, out_order_no: order.out_order_no, service_id: order.service_id, order_id: order.order_id }
  }, { body: ['appid!', 'service_id!', 'reason!'] })

  /** Completes the service: the total becomes due. */
  function finish (order: ServiceOrder, body: Json): void {
    order.state = 'DONE'
    order.description = ''
    order.payments = list(body.post_payments)
    order.discounts = list(body.post_discounts)
    order.total_amount = body.total_amount as number
    order.time_range = { ...order.time_range, ...object(body.time_range) }
    if (body.location !== undefined) order.location = { ...order.location, ...object(body.location) }
    order.collection = order.total_amount > 0 ? 'USER_PAYING' : 'none'
    if (order.total_amount > 0) after(DURATION, () => collect(order))
  }

  function collect (order: ServiceOrder, paidType: ServiceOrder['paid_type'] = 'NEWTON', at = chinaTime(state.now())): boolean {
    if (order.collection !== 'USER_PAYING') return false
    order.collection = 'USER_PAID'
    order.paid_type = paidType
    order.paid_time = at
    if (order.openid === '') order.openid = userOf(state, undefined).openid
    if (paidType === 'NEWTON') {
      order.transaction_id = `42000${state.random.digits(5)}${chinaTime(state.now()).slice(0, 8)}${state.random.digits(10)}`
      state.balance += order.total_amount
      notify(order, 'USER_PAID')
    }
    return true
  }

  function confirm (order: ServiceOrder, openid?: string): boolean {
    if (order.state !== 'CREATED') return false
    order.state = 'DOING'
    order.description = 'USER_CONFIRM'
    if (order.openid === '') order.openid = userOf(state, openid).openid
    notify(order, 'USER_CONFIRM')
    return true
  }

  route('POST', `${base}/:number/complete`, ({ params, body }) => {
    const order = named(params.number, body)
    if ('inner' in order) return order
    const isAgain = order.state === 'DONE' && order.total_amount === body.total_amount
    if (order.state !== 'DOING' && !isAgain) return stateProblem(order.state)
    const problem = amountProblem(body)
    if (problem) return problem
    if (order.risk_fund && (body.total_amount as number) > (order.risk_fund.amount as number)) return refuse(400, 'PARAM_ERROR', '总金额超过风险金额')
    if (!isAgain) finish(order, body)
    const { end_location: end } = order.location ?? {}
    return { ...without(json(order), 'notify_url', 'attach', 'location'), ...(end !== undefined && { location: { end_location: end } }), total_amount: order.total_amount, need_collection: order.collection !== 'none' }
  }, { body: ['appid!', 'service_id!', 'post_payments!', ...LINES, 'total_amount!#', 'time_range', 'location', 'profit_sharing', 'goods_tag', 'device'] })

  route('POST', `${base}/direct-complete`, ({ body }) => {
    const problem = idProblem(body) ?? (body.total_amount === undefined ? undefined : amountProblem(body))
    if (problem) return problem
    const before = services.get(text(body.out_order_no))
    if (before && !(before.service_id === body.service_id && before.total_amount === body.total_amount)) return parametersDiffer()
    const order = before ?? make(body)
    if (!before) {
      services.set(order.out_order_no, order)
      finish(order, { ...body, total_amount: body.total_amount ?? sumOf(list(body.post_payments), list(body.post_discounts)) })
    }
    return { ...json(order), state_description: 'MCH_COMPLETE', total_amount: order.total_amount }
  }, { body: ['out_order_no!', 'appid!', 'service_id!', ...LINES, 'time_range!', 'location', 'service_introduction', 'attach', 'notify_url', 'openid', 'total_amount#', 'profit_sharing', 'goods_tag'] })

  route('POST', `${base}/:number/modify`, ({ params, body }) => {
    const order = named(params.number, body)
    if ('inner' in order) return order
    if (order.state !== 'DONE' || order.collection !== 'USER_PAYING') return stateProblem(order.state)
    const problem = amountProblem(body)
    if (problem) return problem
    if ((body.total_amount as number) > order.total_amount) return refuse(400, 'PARAM_ERROR', '修改后的金额不能大于原金额')
    order.payments = list(body.post_payments)
    order.discounts = list(body.post_discounts)
    order.total_amount = body.total_amount as number
    order.reason = text(body.reason)
    if (order.total_amount === 0) order.collection = 'none'
    return without(fullJson(order), 'openid')
  }, { body: ['appid!', 'service_id!', 'post_payments!', ...LINES, 'total_amount!#', 'reason!', 'device'] })

  // The merchant requests payment again.
  route('POST', `${base}/:number/pay`, ({ params, body }) => {
    const order = named(params.number, body)
    if ('inner' in order) return order
    if (order.collection !== 'USER_PAYING') return stateProblem(order.state)
    return { appid: account.appId, mchid: account.mchId, out_order_no: order.out_order_no, service_id: order.service_id, order_id: order.order_id }
  }, { body: ['appid', 'service_id'] })

  // The order was paid another way.
  route('POST', `${base}/:number/sync`, ({ params, body }) => {
    const order = named(params.number, body)
    if ('inner' in order) return order
    if (body.type !== 'Order_Paid') return invalid('type')
    const at = text(object(body.detail).paid_time)
    if (!/^\d{14}$/.test(at)) return invalid('detail/paid_time')
    if (order.collection !== 'USER_PAYING') return stateProblem(order.state)
    collect(order, 'MCH', at)
    return fullJson(order)
  }, { body: ['appid!', 'service_id!', 'type!', 'detail!', 'detail/paid_time!'] })

  for (const what of ['send-pendingmessage', 'send-prepaidmessage']) {
    route('POST', `${base}/:number/${what}`, ({ params, body }) => {
      const order = named(params.number, body)
      if ('inner' in order) return order
      if (order.state !== 'DOING' && order.collection !== 'USER_PAYING') return stateProblem(order.state)
      return amountProblem(body)
    }, { body: ['service_id!', 'post_payments!', ...LINES, 'total_amount!#', 'prepaid_time!'] })
  }

  return {
    list: () => [...services.values()].reverse(),
    find: (number: string) => services.get(number),
    confirm,
    collect: (order: ServiceOrder) => collect(order),
    json: fullJson
  }
}

export type Payscore = ReturnType<typeof v3Payscore>
