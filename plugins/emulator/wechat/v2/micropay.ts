/** micropay and reverse: the merchant scans the payer's code. */
import { businessFailed } from '../wire.ts'
import type { Values } from '../wire.ts'
import { chinaTime, userOf } from '../../state/state.ts'
import type { State } from '../../state/state.ts'
import type { V2Register, V2Handler } from './check-request.ts'
import { orderFields, paidFields } from './orders.ts'
import type { V2Orders } from './orders.ts'
import type { V2Refunds } from './refunds.ts'

const REVERSIBLE = 7 * 86_400_000
/** How long the payer is asked for the password, in milliseconds times `timeScale`. Meanwhile nothing can be reversed. */
const PROMPT = 5000

export function v2Micropay (route: V2Register, state: State, orders: V2Orders, refunds: V2Refunds): { micropay: V2Handler, reverse: V2Handler } {
  const micropay: V2Handler = ({ fields, signType, sub }) => {
    for (const name of ['body', 'out_trade_no', 'total_fee', 'spbill_create_ip', 'auth_code']) {
      if (!fields[name]) return businessFailed('LACK_PARAMS', `缺少参数${name}`)
    }
    const problem = orders.paramProblem(fields)
    if (problem) return problem
    const code = fields.auth_code as string
    if (!/^1[0-5]\d{16}$/.test(code)) return businessFailed('AUTH_CODE_INVALID', '请扫描微信支付授权码(以10/11/12/13/14/15为前缀的18位数字)')
    const authCode = state.authCodes.get(code) ?? { user: userOf(state, undefined), behaviour: 'pays', usedFor: '' }
    state.authCodes.set(code, authCode)
    const number = fields.out_trade_no as string
    const known = orders.find(number, sub.sub_mch_id)
    if (known) return orders.endProblem(known) ?? (known.trade_state === 'USERPAYING' ? USER_PAYING : known.trade_state === 'PAYERROR' ? businessFailed('TRADE_ERROR', '用户没有输入支付密码') : businessFailed('OUT_TRADE_NO_USED', '商户订单号重复'))
    if (authCode.behaviour === 'expired' || (authCode.usedFor && authCode.usedFor !== number)) return businessFailed('AUTH_CODE_INVALID', '101 付款码已过期，请退出重试')
    authCode.usedFor = number
    if (authCode.behaviour === 'poor') return businessFailed('NOTENOUGH', '用户余额不足')
    const order = orders.add({ ...orderFields(fields), ...sub, appid: fields.appid as string, out_trade_no: number, trade_type: 'MICROPAY', sign_type: signType, openid: authCode.user.openid, time_expire: fields.time_expire ?? '' }, 'scanned')
    if (authCode.behaviour === 'asks') {
      order.trade_state = 'USERPAYING'
      order.asked_at = state.now()
      return USER_PAYING
    }
    orders.pay(order)
    return { result_code: 'SUCCESS', out_trade_no: number, attach: order.attach, device_info: order.device_info, ...paidFields(order) }
  }

  route('/pay/micropay', micropay)

  const reverse: V2Handler = ({ fields, sub }): Values => {
    const order = orders.named(fields, sub.sub_mch_id)
    if (!order) return { ...businessFailed('ORDERNOTEXIST', '订单不存在'), recall: 'N' }
    if (order.trade_type !== 'MICROPAY') return { ...businessFailed('TRADE_ERROR', '非付款码支付订单不可撤销'), recall: 'N' }
    if (order.time_end && chinaTime(state.now() - REVERSIBLE) > order.time_end) return { ...businessFailed('REVERSE_EXPIRE', '订单超过七天，无法撤销'), recall: 'N' }
    if (order.trade_state === 'USERPAYING' && state.now() - (order.asked_at ?? 0) < PROMPT * state.timeScale) return { ...businessFailed('USERPAYING', '正在支付中不能发起撤销'), recall: 'Y' }
    if (order.trade_state === 'SUCCESS') refunds.giveBack(order)
    if (order.trade_state !== 'REVOKED') {
      order.trade_state = 'REVOKED'
      orders.note(order, 'reversed')
    }
    return { result_code: 'SUCCESS', recall: 'N' }
  }
  route('/secapi/pay/reverse', reverse, { cert: true })

  return { micropay, reverse }
}

const USER_PAYING = businessFailed('USERPAYING', '需要用户输入支付密码')
