/** /v3/pay/transactions, the partner variants, and combined orders. */
import { businessEnd } from './order-end.ts'
import { chinaTime, openidProblem, rfc3339 } from '../../state/state.ts'
import type { Order, State } from '../../state/state.ts'
import { WECHAT_HOSTS } from '../../keys/pki.ts'
import type { V2Orders } from '../v2/orders.ts'
import { STATE_TEXTS } from '../v2/orders.ts'
import { isOurs } from './area.ts'
import type { V3Call, V3Register } from './check-request.ts'
import { invalid, list, missing, missingId, object, text } from './shape.ts'
import type { Json } from './shape.ts'
import { refuse } from './wire.ts'
import type { V3Error } from './wire.ts'

const COMMON = ['description', 'out_trade_no', 'time_expire', 'attach', 'notify_url', 'goods_tag', 'limit_pay', 'support_fapiao', 'amount/total#', 'payer', 'detail', 'scene_info', 'settle_info', 'trans_mode', 'subsidy_info']
const HOSTS = new Set<string>(WECHAT_HOSTS)
const COMBINED = [['jsapi', 'jsapi'], ['app', 'app'], ['native', 'native'], ['h5', 'h5'], ['miniprogram', 'jsapi']] as const
const WAYS = { jsapi: 'JSAPI', app: 'APP', native: 'NATIVE', h5: 'MWEB' } as const

export function v3Orders (route: V3Register, state: State, orders: V2Orders, origin: () => string, paid: (orders: Order[]) => void) {
  const { account } = state

  /** The appids and mchids of a call; direct merchants and providers name them differently. */
  function idsProblem (given: Json, isPartner: boolean): V3Error | undefined {
    const [mchid, appid] = isPartner ? [given.sp_mchid, given.sp_appid] : [given.mchid, given.appid]
    if (mchid === undefined) return missingId(isPartner ? 'sp_mchid' : 'mchid')
    if (mchid !== account.mchId) return refuse(400, 'PARAM_ERROR', '商户号与签名的商户号不一致', 268447843)
    if (appid !== undefined && !state.appIds.includes(text(appid))) return refuse(400, 'APPID_MCHID_NOT_MATCH', 'appid和mch_id不匹配', 268445527)
    if (isPartner && !state.subMerchants.some(({ subMchId }) => subMchId === given.sub_mchid)) return refuse(400, 'PARAM_ERROR', '受理机构必须传入sub_mchid', 268443704)
  }

  function orderProblem (body: Json, way: keyof typeof WAYS, isPartner: boolean): V3Error | undefined {
    for (const name of ['description', 'out_trade_no', 'notify_url', 'amount', ...(way === 'jsapi' ? ['payer'] : []), ...(way === 'h5' ? ['scene_info'] : []), ...(isPartner ? ['sp_appid'] : ['appid'])]) {
      if (body[name] === undefined || body[name] === '') return missing(name)
    }
    const { total, currency = 'CNY' } = object(body.amount)
    if (!/^[0-9A-Za-z_\-|*]{6,32}$/.test(text(body.out_trade_no))) return invalid('out_trade_no')
    if (!Number.isInteger(total) || (total as number) < 1) return invalid('amount/total')
    if (currency !== 'CNY') return invalid('amount/currency')
    if (text(body.description) === '' || Buffer.byteLength(text(body.description)) > 127) return invalid('description')
    if (Buffer.byteLength(text(body.attach)) > 128) return invalid('attach')
    if (!/^https?:\/\/[^?#]+$/.test(text(body.notify_url))) return invalid('notify_url')
    if (body.time_expire !== undefined && !(Date.parse(text(body.time_expire)) > state.now())) return invalid('time_expire')
    const { payer_client_ip: ip, h5_info: h5 } = object(body.scene_info)
    if (body.scene_info !== undefined && !ip) return missing('scene_info/payer_client_ip')
    if (way === 'h5' && !object(h5).type) return missing('scene_info/h5_info')
    if (way !== 'jsapi') return undefined
    const payer = object(body.payer)
    const openid = text(isPartner ? payer.sp_openid ?? payer.sub_openid : payer.openid)
    if (openid === '') return refuse(400, 'PARAM_ERROR', 'JSAPI支付必须传openid', 268501013)
    const openidError = openidProblem(state, openid)
    if (openidError) return refuse(400, 'PARAM_ERROR', openidError === 'invalid openid' ? '无效的openid' : 'appid和openid不匹配', 268445527)
  }

  function placed (body: Json, way: keyof typeof WAYS, isPartner: boolean, subMchId = isPartner ? text(body.sub_mchid) : ''): Order | V3Error {
    const problem = idsProblem(body, isPartner) ?? orderProblem(body, way, isPartner)
    if (problem) return problem
    const payer = object(body.payer)
    const wanted = {
      trade_type: WAYS[way],
      body: text(body.description),
      attach: text(body.attach),
      device_info: text(object(body.scene_info).device_id),
      total_fee: object(body.amount).total as number,
      fee_type: 'CNY',
      openid: text(isPartner ? payer.sp_openid : payer.openid),
      sub_openid: text(payer.sub_openid),
      profit_sharing: object(body.settle_info).profit_sharing === true
    }
    const order = orders.find(text(body.out_trade_no), subMchId)
    const over = order && businessEnd(order)
    if (over) return over
    if (order && Object.entries(wanted).some(([name, value]) => order[name as keyof Order] !== value)) {
      return refuse(400, 'INVALID_REQUEST', '请求重入时，参数与首次请求时不一致', 268498688)
    }
    return order ?? orders.add({
      ...wanted,
      appid: text(isPartner ? body.sp_appid : body.appid),
      sub_mch_id: subMchId,
      sub_appid: text(body.sub_appid),
      sign_type: 'RSA',
      out_trade_no: text(body.out_trade_no),
      notify_url: text(body.notify_url),
      time_expire: body.time_expire === undefined ? '' : chinaTime(Date.parse(text(body.time_expire)))
    }, 'placed')
  }

  /** `orders.prepay` sets the code of a NATIVE order. */
  /** The emulator's origin for browsers: WeChat's host names, reached by a proxy or a hosts entry, only work for the server. */
  const placeFor = (request: V3Call['request']) => HOSTS.has(request.hostname) ? origin() : `${request.protocol}://${request.host}${request.server.prefix}`

  function prepayAnswer (order: Order, { request }: V3Call): Json {
    const prepayId = orders.prepay(order)
    if (order.trade_type === 'NATIVE') return { code_url: order.code_url }
    if (order.trade_type === 'MWEB') return { h5_url: `${placeFor(request)}/_emulator/h5?prepay_id=${prepayId}&package=${state.random.digits(10)}` }
    return { prepay_id: prepayId }
  }

  for (const [base, isPartner] of [['/v3/pay/transactions', false], ['/v3/pay/partner/transactions', true]] as const) {
    const ids = isPartner ? ['sp_appid', 'sp_mchid', 'sub_appid', 'sub_mchid'] : ['appid', 'mchid']
    const subOf = (given: Json) => isPartner ? text(given.sub_mchid) : ''

    for (const [path, way] of COMBINED) {
      if (path === 'miniprogram' && !isPartner) continue
      route('POST', `${base}/${path}`, call => {
        const order = placed(call.body, way, isPartner)
        return 'inner' in order ? order : prepayAnswer(order, call)
      }, { body: [...ids, ...COMMON] })
    }

    const queried = ({ query }: V3Call, find: () => Order | undefined) => {
      const problem = idsProblem(query, isPartner)
      if (problem) return problem
      const order = find()
      return order ? orderJson(order) : refuse(404, 'ORDER_NOT_EXIST', '订单不存在', 268512771)
    }
    route('GET', `${base}/out-trade-no/:number`, call => queried(call, () => orders.find(call.params.number, subOf(call.query))))
    route('GET', `${base}/id/:id`, call => queried(call, () => orders.named({ transaction_id: call.params.id as string }, subOf(call.query))))

    route('POST', `${base}/out-trade-no/:number/close`, ({ params, body }) => {
      const problem = idsProblem(body, isPartner)
      if (problem) return problem
      const order = orders.find(params.number, subOf(body))
      // Also for an unknown order (community/pay/doc/00048a1efdc23011142d839d351800).
      return order && closed(order)
    }, { body: ids.filter(name => name.endsWith('mchid')), identity: isPartner ? 'sp_mchid' : 'mchid' })
  }

  function closed (order: Order): V3Error | undefined {
    if (order.trade_type === 'MICROPAY') return refuse(400, 'INVALID_REQUEST', '当前交易不允许进行普通关单（只能撤销）', 268449641)
    if (order.transaction_id !== '') return refuse(400, 'ORDERPAID', '订单已支付', 268449538)
    if (order.trade_state === 'NOTPAY') {
      order.trade_state = 'CLOSED'
      orders.note(order, 'closed')
    }
    return undefined
  }

  // Combined orders: each part has its own number; one prepay_id pays all of them.
  const { partsOf } = orders
  /** A combined order's out_trade_no by its transaction id. */
  const combines = state.memory.table<string>('combines')

  for (const [path, way] of COMBINED) {
    route('POST', `/v3/combine-transactions/${path}`, call => {
      const { combine_appid: appid, combine_mchid: mchid, combine_out_trade_no: number, sub_orders: given, combine_payer_info: payer, scene_info: scene, notify_url: notifyUrl, time_expire: expire } = call.body
      if (mchid !== account.mchId) return refuse(400, 'PARAM_ERROR', '商户号与签名的商户号不一致', 268447843)
      const parts = list(given)
      if (parts.length < 2) return missing('sub_orders')
      const made: Order[] = []
      const unbound = parts.find(({ sub_mchid: sub }) => sub !== undefined && !isOurs(state, sub))
      if (unbound) return refuse(400, 'PARAM_ERROR', '二级商户号与服务商无绑定关系', 268447843)
      for (const part of parts) {
        const order = placed({
          appid,
          mchid: part.mchid,
          description: part.description,
          out_trade_no: part.out_trade_no,
          attach: part.attach,
          notify_url: notifyUrl,
          amount: { total: object(part.amount).total_amount },
          ...(payer !== undefined && { payer }),
          ...(scene !== undefined && { scene_info: scene }),
          ...(expire !== undefined && { time_expire: expire })
        }, way, false, text(part.sub_mchid))
        if ('inner' in order) return order
        orders.combine(order, text(number))
        if (part.individual_auth_id !== undefined) order.individual = { individual_auth_id: text(part.individual_auth_id), ...(part.individual_name !== undefined && { individual_name: text(part.individual_name) }) }
        made.push(order)
      }
      return prepayAnswer(made[0] as Order, call)
    }, { body: ['combine_appid', 'combine_mchid', 'combine_out_trade_no', 'sub_orders', 'combine_payer_info', 'scene_info', 'notify_url', 'time_start', 'time_expire', 'limit_pay', 'trade_scenario', 'subsidy_info', 'prepay_id', 'contract_info'] })
  }

  route('GET', '/v3/combine-transactions/out-trade-no/:number', ({ params }) => {
    const parts = partsOf(params.number as string)
    return parts.length > 0 ? combinedJson(parts) : refuse(404, 'ORDER_NOT_EXIST', '订单不存在', 268512771)
  })

  route('GET', '/v3/combine-transactions/id/:id', ({ params }) => {
    const number = combines.get(params.id as string)
    return number === undefined ? refuse(404, 'ORDER_NOT_EXIST', '订单不存在', 268512771) : combinedJson(partsOf(number))
  })

  route('POST', '/v3/combine-transactions/out-trade-no/:number/close', ({ params }) => {
    const parts = partsOf(params.number as string)
    if (parts.length === 0) return refuse(404, 'ORDER_NOT_EXIST', '订单不存在', 268512771)
    return parts.map(closed).find(Boolean)
  }, { body: ['combine_appid', 'sub_orders'] })

  return {
    /** The visitor pays all parts of a combined order. False if it cannot be paid. */
    payCombined (number: string, openid?: string): boolean {
      const parts = partsOf(number)
      if (parts.length === 0 || !parts.every(order => orders.pay(order, openid))) return false
      const id = `43000${state.random.digits(5)}${chinaTime(state.now()).slice(0, 8)}${state.random.digits(10)}`
      combines.set(id, number)
      for (const order of parts) order.combine_transaction_id = id
      paid(parts)
      return true
    },
    partsOf
  }
}

const idsOf = (order: Order): Json => order.sub_mch_id === ''
  ? { mchid: order.mch_id, appid: order.appid }
  : { sp_mchid: order.mch_id, sp_appid: order.appid, sub_mchid: order.sub_mch_id, ...(order.sub_appid && { sub_appid: order.sub_appid }) }

const payerOf = (order: Order): Json => order.sub_mch_id === ''
  ? { openid: order.openid }
  : { ...(order.openid && { sp_openid: order.openid }), ...(order.sub_openid && { sub_openid: order.sub_openid }) }

/** The answer of a query, in alphabetical order; an unpaid order has few members (seen three times). */
export function orderJson (order: Order): Json {
  const isPaid = order.transaction_id !== ''
  return sorted({
    ...idsOf(order),
    out_trade_no: order.out_trade_no,
    promotion_detail: [],
    trade_state: order.trade_state,
    trade_state_desc: STATE_TEXTS[order.trade_state],
    ...(isPaid
      ? {
          amount: { currency: order.fee_type, payer_currency: order.fee_type, payer_total: order.total_fee, total: order.total_fee },
          attach: order.attach,
          bank_type: 'OTHERS',
          payer: payerOf(order),
          success_time: rfc3339(order.time_end),
          trade_type: order.trade_type,
          transaction_id: order.transaction_id
        }
      : { amount: { payer_currency: order.fee_type, total: order.total_fee }, scene_info: { device_id: order.device_info } })
  })
}

const sorted = (json: Json): Json => Object.fromEntries(Object.entries(json).sort(([one], [other]) => one < other ? -1 : 1))

/** The content of a notification: a different order, and no promotions (seen six times). */
export function paidJson (order: Order): Json {
  return {
    ...idsOf(order),
    out_trade_no: order.out_trade_no,
    transaction_id: order.transaction_id,
    trade_type: order.trade_type,
    trade_state: order.trade_state,
    trade_state_desc: STATE_TEXTS[order.trade_state],
    bank_type: 'OTHERS',
    attach: order.attach,
    success_time: rfc3339(order.time_end),
    payer: payerOf(order),
    amount: { total: order.total_fee, payer_total: order.total_fee, currency: order.fee_type, payer_currency: order.fee_type }
  }
}

export function combinedJson (parts: Order[]): Json {
  const first = parts[0] as Order
  return {
    combine_appid: first.appid,
    combine_mchid: first.mch_id,
    combine_out_trade_no: first.combine_out_trade_no,
    ...(first.combine_transaction_id && { combine_transaction_id: first.combine_transaction_id }),
    sub_orders: parts.map(order => ({
      mchid: order.mch_id,
      ...(order.sub_mch_id && { sub_mchid: order.sub_mch_id }),
      ...order.individual,
      out_trade_no: order.out_trade_no,
      trade_state: order.trade_state,
      attach: order.attach,
      amount: { total_amount: order.total_fee, currency: order.fee_type, payer_amount: order.total_fee, payer_currency: order.fee_type },
      ...(order.transaction_id && { transaction_id: order.transaction_id, trade_type: order.trade_type, bank_type: 'OTHERS', success_time: rfc3339(order.time_end) })
    })),
    combine_payer_info: { openid: first.openid }
  }
}
