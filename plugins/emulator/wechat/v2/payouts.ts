/** Red packets and transfers to balance. */
import { businessFailed } from '../wire.ts'
import type { Values } from '../wire.ts'
import { chinaTime, openidProblem } from '../../state/state.ts'
import type { Payout, State } from '../../state/state.ts'
import type { V2Register, V2Handler } from './check-request.ts'
import { withSeparators } from './refunds.ts'

/** The older calls: client certificate, MD5, unsigned answers. */
const OLD = { cert: true, signType: 'MD5', signedReply: false } as const

export function v2Payouts (route: V2Register, state: State): void {
  /** Repeating a number returns the same payout. */
  function payOut (wanted: Omit<Payout, 'wechatNumber' | 'at'>): Payout | Values {
    const openidError = openidProblem(state, wanted.openid)
    if (openidError) return businessFailed('OPENID_ERROR', 'openid与appid不匹配')
    if (!Number.isInteger(wanted.amount) || wanted.amount < 1) return businessFailed('PARAM_ERROR', '金额错误')
    const key = `${wanted.kind}/${wanted.number}`
    const before = state.payouts.get(key)
    if (before) {
      return before.amount === wanted.amount && before.openid === wanted.openid ? before : businessFailed('PARAM_ERROR', '更换了openid或金额，但单号重复，请检查')
    }
    if (wanted.amount > state.balance) return businessFailed(wanted.kind === 'redpack' ? 'NOTENOUGH' : 'NOTENOUGH', '帐号余额不足，请到商户平台充值后再重试')
    state.balance -= wanted.amount
    const payout = { ...wanted, wechatNumber: `10000${state.random.digits(23)}`, at: state.now() }
    state.payouts.set(key, payout)
    return payout
  }

  const isPayout = (outcome: Payout | Values): outcome is Payout => 'wechatNumber' in outcome

  const redPack: V2Handler = ({ fields }) => {
    for (const name of ['mch_billno', 're_openid', 'total_amount', 'total_num', 'send_name', 'wishing', 'act_name', 'remark']) {
      if (!fields[name]) return businessFailed('PARAM_ERROR', `参数错误:${name}`)
    }
    const payout = payOut({ kind: 'redpack', number: fields.mch_billno as string, openid: fields.re_openid as string, amount: Number(fields.total_amount), count: Number(fields.total_num), description: fields.wishing as string })
    if (!isPayout(payout)) return payout
    return { result_code: 'SUCCESS', err_code: 'SUCCESS', err_code_des: '发放成功', mch_billno: payout.number, mch_id: state.account.mchId, wxappid: state.account.appId, re_openid: payout.openid, total_amount: payout.amount, send_listid: payout.wechatNumber }
  }
  route('/mmpaymkttransfers/sendredpack', redPack, { ...OLD, appid: 'wxappid' })
  route('/mmpaymkttransfers/sendgroupredpack', redPack, { ...OLD, appid: 'wxappid' })

  route('/mmpaymkttransfers/gethbinfo', ({ fields }, reply) => {
    const payout = state.payouts.get(`redpack/${fields.mch_billno}`)
    if (!payout) return businessFailed('NOT_FOUND', '指定单号数据不存在')
    const at = withSeparators(chinaTime(payout.at))
    const values = { return_code: 'SUCCESS', return_msg: 'OK', result_code: 'SUCCESS', mch_billno: payout.number, mch_id: state.account.mchId, detail_id: payout.wechatNumber, status: 'RECEIVED', send_type: 'API', hb_type: payout.count > 1 ? 'GROUP' : 'NORMAL', total_num: payout.count, total_amount: payout.amount, send_time: at }
    const elements = Object.entries(values).map(([name, value]) => `<${name}><![CDATA[${value}]]></${name}>`).join('\n')
    return reply.type('text/plain').send(`<xml>${elements}\n<hblist>\n<hbinfo>\n<openid><![CDATA[${payout.openid}]]></openid>\n<amount>${payout.amount}</amount>\n<rcv_time><![CDATA[${at}]]></rcv_time>\n</hbinfo>\n</hblist>\n</xml>`)
  }, OLD)

  route('/mmpaymkttransfers/promotion/transfers', ({ fields }) => {
    for (const name of ['partner_trade_no', 'openid', 'check_name', 'amount', 'desc']) if (!fields[name]) return businessFailed('PARAM_ERROR', `参数错误:${name}`)
    const payout = payOut({ kind: 'transfer', number: fields.partner_trade_no as string, openid: fields.openid as string, amount: Number(fields.amount), count: 1, description: fields.desc as string })
    if (!isPayout(payout)) return payout
    return { result_code: 'SUCCESS', mch_appid: state.account.appId, mchid: state.account.mchId, partner_trade_no: payout.number, payment_no: payout.wechatNumber, payment_time: withSeparators(chinaTime(payout.at)) }
  }, { ...OLD, appid: 'mch_appid', mchId: 'mchid' })

  route('/mmpaymkttransfers/gettransferinfo', ({ fields }) => {
    const payout = state.payouts.get(`transfer/${fields.partner_trade_no}`)
    if (!payout) return businessFailed('NOT_FOUND', '指定单号数据不存在')
    return { result_code: 'SUCCESS', partner_trade_no: payout.number, appid: state.account.appId, mch_id: state.account.mchId, detail_id: payout.wechatNumber, status: 'SUCCESS', openid: payout.openid, payment_amount: payout.amount, transfer_time: withSeparators(chinaTime(payout.at)), payment_time: withSeparators(chinaTime(payout.at)), desc: payout.description }
  }, OLD)
}
