/** api.mch.weixin.qq.com, v2: unifiedorder, orderquery, closeorder, and what happens to an order at the cashier. */
import { isIP } from 'node:net'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { verifyV2 } from '../../src/pay/v2/sign.ts'
import type { SignType } from '../../src/pay/v2/sign.ts'
import { readXml } from '../../src/pay/v2/xml.ts'
import type { Fields } from '../../src/pay/v2/xml.ts'
import { businessFailed, callFailed, sendV2, signed } from './wire.ts'
import { chinaTime, digits, hex, openidProblem } from './world.ts'
import type { Order, World } from './world.ts'

/** Milliseconds a prepay_id, and an order without time_expire, lives. */
const PREPAY_LIFE = 2 * 3600_000
const ORDER_LIFE = 7 * 86_400_000

type Call = (fields: Fields, signType: SignType) => Record<string, string | number>

export function payV2 (app: FastifyInstance, world: World) {
  /** What every call goes through before its own rules: shape, merchant, signature. */
  function route (path: string, call: Call) {
    app.post(path, async (request: FastifyRequest, reply: FastifyReply) => {
      let fields: Fields
      try {
        fields = readXml(request.body as Buffer)
      } catch {
        return sendV2(reply, { return_code: 'FAIL', retmsg: 'xml格式错误', retcode: 1 })
      }
      if (!/^\d{1,32}$/.test(fields.mch_id ?? '')) return sendV2(reply, callFailed('mch_id参数格式错误'))
      if (fields.mch_id !== world.account.mchId) return sendV2(reply, callFailed('商户号mch_id不存在'))
      if (fields.appid !== world.account.appId) return sendV2(reply, callFailed('appid和mch_id不匹配'))
      const signType = fields.sign_type || 'MD5'
      if ((signType !== 'MD5' && signType !== 'HMAC-SHA256') || !verifyV2(fields, world.account.apiKey, signType)) {
        return sendV2(reply, callFailed('签名错误，请检查后再试'))
      }
      if (!/^.{1,32}$/.test(fields.nonce_str ?? '')) return sendV2(reply, callFailed('nonce_str参数长度有误'))
      const answer = call(fields, signType)
      return sendV2(reply, answer.return_code === 'FAIL' ? answer : signed(world, signType, answer))
    })
  }

  route('/pay/unifiedorder', (fields, signType) => {
    const problem = orderProblem(fields)
    if (problem) return problem
    const wanted = {
      trade_type: fields.trade_type as string,
      body: fields.body as string,
      attach: fields.attach ?? '',
      total_fee: Number(fields.total_fee),
      fee_type: fields.fee_type || 'CNY',
      openid: fields.openid as string
    }
    let order = find(fields.out_trade_no)
    if (order?.trade_state === 'SUCCESS') return businessFailed('ORDERPAID', '该订单已支付')
    if (order?.trade_state === 'CLOSED') return businessFailed('ORDERCLOSED', '订单已关闭')
    if (order && Object.entries(wanted).some(([name, value]) => order?.[name as keyof Order] !== value)) {
      return businessFailed('INVALID_REQUEST', '201 商户订单号重复')
    }
    if (!order) {
      order = {
        ...wanted,
        appid: world.account.appId,
        mch_id: world.account.mchId,
        out_trade_no: fields.out_trade_no as string,
        notify_url: fields.notify_url as string,
        sign_type: signType,
        time_expire: fields.time_expire || chinaTime(world.now() + ORDER_LIFE),
        prepay_id: '',
        trade_state: 'NOTPAY',
        transaction_id: '',
        time_end: '',
        history: []
      }
      world.orders.set(order.out_trade_no, order)
      note(order, 'placed')
    }
    if (!isAlive(order.prepay_id)) {
      order.prepay_id = `wx${chinaTime(world.now())}${hex(10)}`
      world.prepays.set(order.prepay_id, { out_trade_no: order.out_trade_no, until: world.now() + PREPAY_LIFE })
    }
    return { result_code: 'SUCCESS', prepay_id: order.prepay_id, trade_type: order.trade_type }
  })

  function orderProblem (fields: Fields) {
    for (const name of ['body', 'out_trade_no', 'total_fee', 'spbill_create_ip', 'notify_url', 'trade_type']) {
      if (!fields[name]) return businessFailed('LACK_PARAMS', `缺少参数${name}`)
    }
    const { trade_type: type, openid, time_expire: expire } = fields
    if (type !== 'JSAPI') return callFailed(`您没有${type}支付权限`)
    if (!openid) return callFailed('JSAPI支付必须传openid')
    const stranger = openidProblem(world, openid)
    if (stranger) return callFailed(stranger)
    const bad = (name: string) => businessFailed('PARAM_ERROR', `参数错误:${name}`)
    if (!/^[0-9A-Za-z_\-|*@]{1,32}$/.test(fields.out_trade_no as string)) return bad('out_trade_no')
    if (!/^[1-9]\d{0,9}$/.test(fields.total_fee as string)) return bad('total_fee')
    if (Buffer.byteLength(fields.body as string) > 127) return bad('body')
    if (Buffer.byteLength(fields.attach ?? '') > 127) return bad('attach')
    if (!isIP(fields.spbill_create_ip as string)) return bad('spbill_create_ip')
    if (!/^https?:\/\/[^?#]+$/.test(fields.notify_url as string)) return bad('notify_url')
    if (expire && (!/^\d{14}$/.test(expire) || expire <= chinaTime(world.now()))) return bad('time_expire')
  }

  route('/pay/orderquery', fields => {
    const { transaction_id: id, out_trade_no: number } = fields
    const order = id ? [...world.orders.values()].map(({ out_trade_no: number }) => find(number)).find(order => order?.transaction_id === id) : find(number)
    if (!order) return businessFailed('ORDERNOTEXIST', 'order not exist')
    const common = { result_code: 'SUCCESS', out_trade_no: order.out_trade_no, attach: order.attach, trade_state: order.trade_state }
    if (order.trade_state !== 'SUCCESS') return { ...common, total_fee: order.total_fee, trade_state_desc: order.trade_state === 'NOTPAY' ? '订单未支付' : '订单已关闭' }
    return { ...common, ...paidFields(order), trade_state_desc: '支付成功' }
  })

  route('/pay/closeorder', fields => {
    const order = find(fields.out_trade_no)
    if (!order) return businessFailed('ORDERNOTEXIST', 'order not exist')
    if (order.trade_state === 'SUCCESS') return businessFailed('ORDERPAID', '该订单已支付')
    if (order.trade_state === 'NOTPAY') {
      order.trade_state = 'CLOSED'
      note(order, 'closed')
    }
    return { result_code: 'SUCCESS', result_msg: 'OK' }
  })

  function find (number: string | undefined): Order | undefined {
    const order = world.orders.get(number ?? '')
    if (order?.trade_state === 'NOTPAY' && order.time_expire <= chinaTime(world.now())) {
      order.trade_state = 'CLOSED'
      note(order, 'expired')
    }
    return order
  }

  function note (order: Order, what: string) {
    order.history.push({ at: new Date(world.now()).toISOString(), what })
  }

  const isAlive = (prepayId: string) => (world.prepays.get(prepayId)?.until ?? 0) > world.now()

  return {
    find,
    /** The order a living prepay_id stands for. */
    byPrepayId: (id: string) => isAlive(id) ? find(world.prepays.get(id)?.out_trade_no) : undefined,
    /** The visitor pays. False if the order cannot be paid (any more). */
    pay (order: Order): boolean {
      if (find(order.out_trade_no)?.trade_state !== 'NOTPAY') return false
      order.trade_state = 'SUCCESS'
      order.transaction_id = `42000${digits(5)}${chinaTime(world.now()).slice(0, 8)}${digits(10)}`
      order.time_end = chinaTime(world.now())
      note(order, 'paid')
      return true
    },
    cancel: (order: Order) => note(order, 'cancelled at the cashier')
  }
}

/** What a query and a notification both say of a paid order. */
export function paidFields (order: Order): Record<string, string | number> {
  return {
    openid: order.openid,
    is_subscribe: 'Y',
    trade_type: order.trade_type,
    bank_type: 'OTHERS',
    total_fee: order.total_fee,
    fee_type: order.fee_type,
    // Numbers come in CDATA in one place and bare in the next.
    cash_fee: String(order.total_fee),
    transaction_id: order.transaction_id,
    time_end: order.time_end
  }
}

export type PayV2 = ReturnType<typeof payV2>
