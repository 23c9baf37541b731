/**
 * /v3/pay/transactions/codepay and …/reverse, and the partner variants: the merchant scans the payer's code. Shapes:
 * wechat-openapi; status 202 with only trade_state: WxJava 4050. Error codes are v2's in v3's spelling.
 */
import { chinaTime, userOf } from '../../state/state.ts'
import type { Order, State } from '../../state/state.ts'
import type { V2Orders } from '../v2/orders.ts'
import type { V2Refunds } from '../v2/refunds.ts'
import type { Json, V3Register } from './check-request.ts'
import { businessEnd } from './order-end.ts'
import { orderJson } from './orders.ts'
import { refuse } from './wire.ts'
import type { V3Error } from './wire.ts'

const REVERSIBLE = 7 * 86_400_000
const COMMON = ['description', 'out_trade_no', 'attach', 'goods_tag', 'support_fapiao', 'payer', 'amount', 'scene_info', 'detail', 'settle_info']

const object = (value: unknown): Json => value !== null && typeof value === 'object' ? value as Json : {}
const text = (value: unknown) => typeof value === 'string' ? value : ''

export function v3Codepay (route: V3Register, state: State, orders: V2Orders, refunds: V2Refunds): void {
  const { account } = state

  function idsProblem (given: Json, isPartner: boolean): V3Error | undefined {
    const [mchid, appid] = isPartner ? [given.sp_mchid, given.sp_appid] : [given.mchid, given.appid]
    if (mchid !== account.mchId) return refuse(400, 'PARAM_ERROR', '商户号与签名的商户号不一致', 268447843)
    if (!state.appIds.includes(text(appid)) && !(isPartner && appid === undefined)) return refuse(400, 'APPID_MCHID_NOT_MATCH', 'appid和mch_id不匹配', 268445527)
    if (isPartner && !state.subMerchants.some(({ subMchId }) => subMchId === given.sub_mchid)) return refuse(400, 'PARAM_ERROR', '受理机构必须传入sub_mchid', 268443704)
  }

  function bodyProblem (body: Json): V3Error | undefined {
    const bad = (name: string) => refuse(400, 'PARAM_ERROR', `参数错误：${name}`, 268435464, { field: `/body/${name}`, location: 'body' })
    const { total, currency = 'CNY' } = object(body.amount)
    const { id, out_id: outId } = object(object(body.scene_info).store_info)
    if (!/^[0-9A-Za-z_\-|*]{6,32}$/.test(text(body.out_trade_no))) return bad('out_trade_no')
    if (!Number.isInteger(total) || (total as number) < 1) return bad('amount/total')
    if (currency !== 'CNY') return bad('amount/currency')
    if (text(body.description) === '' || Buffer.byteLength(text(body.description)) > 127) return bad('description')
    if (Buffer.byteLength(text(body.attach)) > 128) return bad('attach')
    if (!text(id) && !text(outId)) return bad('scene_info/store_info')
    if (!/^1[0-5]\d{16}$/.test(text(object(body.payer).auth_code))) return refuse(400, 'AUTH_CODE_INVALID', '请扫描微信支付授权码(以10/11/12/13/14/15为前缀的18位数字)')
  }

  /** The order created by this scan, or an error. */
  function scanned (body: Json, isPartner: boolean): Order | V3Error {
    const number = text(body.out_trade_no)
    const code = text(object(body.payer).auth_code)
    const sub = isPartner ? text(body.sub_mchid) : ''
    const known = orders.find(number, sub)
    if (known) return businessEnd(known) ?? (known.trade_state === 'USERPAYING' ? known : refuse(400, 'INVALID_REQUEST', '请求重入时，参数与首次请求时不一致', 268498688))
    const authCode = state.authCodes.get(code) ?? { user: userOf(state, undefined), behaviour: 'pays', usedFor: '' }
    state.authCodes.set(code, authCode)
    if (authCode.behaviour === 'expired' || (authCode.usedFor && authCode.usedFor !== number)) return refuse(400, 'AUTH_CODE_INVALID', '101 付款码已过期，请退出重试')
    authCode.usedFor = number
    if (authCode.behaviour === 'poor') return refuse(403, 'NOT_ENOUGH', '用户余额不足')
    const order = orders.add({
      trade_type: 'MICROPAY',
      sign_type: 'RSA',
      out_trade_no: number,
      body: text(body.description),
      attach: text(body.attach),
      device_info: text(object(body.scene_info).device_id),
      total_fee: object(body.amount).total as number,
      openid: authCode.user.openid,
      sub_mch_id: sub,
      sub_appid: text(body.sub_appid),
      profit_sharing: object(body.settle_info).profit_sharing === true
    }, 'scanned')
    if (authCode.behaviour === 'asks') order.trade_state = 'USERPAYING'
    else orders.pay(order)
    return order
  }

  for (const [base, isPartner] of [['/v3/pay/transactions', false], ['/v3/pay/partner/transactions', true]] as const) {
    const ids = isPartner ? ['sp_appid', 'sp_mchid', 'sub_appid', 'sub_mchid'] : ['appid', 'mchid']

    route('POST', `${base}/codepay`, ({ body }, reply) => {
      const order = idsProblem(body, isPartner) ?? bodyProblem(body) ?? scanned(body, isPartner)
      if ('inner' in order) return order
      if (order.trade_state !== 'USERPAYING') return { ...orderJson(order), promotion_detail: [] }
      // The order exists, but its result is not known yet.
      reply.code(202)
      return { trade_state: 'USERPAYING' }
    }, { body: [...ids, ...COMMON] })

    route('POST', `${base}/out-trade-no/:number/reverse`, ({ params, body }) => {
      const problem = idsProblem(body, isPartner)
      if (problem) return problem
      const order = orders.find(params.number, isPartner ? text(body.sub_mchid) : '')
      if (!order) return refuse(404, 'ORDER_NOT_EXIST', '订单不存在', 268512771)
      if (order.trade_type !== 'MICROPAY') return refuse(400, 'INVALID_REQUEST', '非付款码支付订单不可撤销')
      if (order.time_end && chinaTime(state.now() - REVERSIBLE) > order.time_end) return refuse(400, 'INVALID_REQUEST', '订单超过七天，无法撤销')
      if (order.trade_state === 'SUCCESS') refunds.giveBack(order)
      if (order.trade_state !== 'REVOKED') {
        order.trade_state = 'REVOKED'
        orders.note(order, 'reversed')
      }
      const { appid, mchid, sp_appid: spAppid, sp_mchid: spMchid, sub_mchid: subMchid, out_trade_no: number } = orderJson(order)
      return isPartner ? { sp_appid: spAppid, sp_mchid: spMchid, sub_mchid: subMchid, out_trade_no: number } : { appid, mchid, out_trade_no: number }
    }, { body: ids })
  }
}
