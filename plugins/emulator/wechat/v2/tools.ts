/** The smaller calls: short URLs, openid of a payment code, reports, comments, and the official sandbox. */
import { businessFailed, v2Xml } from '../wire.ts'
import { userOf } from '../../state/state.ts'
import type { State } from '../../state/state.ts'
import type { V2Register, V2Handler } from './check-request.ts'
import { withSeparators } from './refunds.ts'
import type { Routes } from '../routes.ts'

export function v2Tools (app: Routes, route: V2Register, state: State, { micropay, reverse, query }: Record<'micropay' | 'reverse' | 'query', V2Handler>): void {
  route('/tools/shorturl', ({ fields }) => fields.long_url?.startsWith('weixin://')
    ? { result_code: 'SUCCESS', short_url: `weixin://wxpay/s/${state.random.hex(4)}` }
    : businessFailed('PARAM_ERROR', '参数错误:long_url'))

  route('/tools/authcodetoopenid', ({ fields: { auth_code: code = '' } }) => /^1[0-5]\d{16}$/.test(code)
    ? { result_code: 'SUCCESS', openid: state.authCodes.get(code)?.user.openid ?? userOf(state, undefined).openid }
    : businessFailed('AUTH_CODE_INVALID', '请扫描微信支付授权码(以10/11/12/13/14/15为前缀的18位数字)'))

  // As recorded: a different content type than all other calls, and no signature.
  route('/payitil/report', (_call, reply) => reply.type('text/html; charset=gbk').send(v2Xml({ return_code: 'SUCCESS', return_msg: 'OK', result_code: 'SUCCESS' })))

  route('/billcommentsp/batchquerycomment', ({ fields }, reply) => {
    const paid = [...state.orders.values()].filter(order => order.time_end >= (fields.begin_time ?? '') && order.time_end <= (fields.end_time ?? ''))
    const rows = paid.slice(Number(fields.offset ?? 0), Number(fields.offset ?? 0) + Number(fields.limit ?? 200))
    if (rows.length === 0) return { return_code: 'FAIL', return_msg: 'no data', error_code: '20002' }
    return reply.type('text/plain').send([String(rows.length), ...rows.map(order => `\`${withSeparators(order.time_end)},\`${order.transaction_id},\`5,\`很好`)].join('\n'))
  }, { cert: true, signType: 'HMAC-SHA256' })

  // The sandbox: the API key signs a request for a sandbox key, which signs all other calls. Today it only offers pay by code.
  const sandboxKey = `emulator${state.random.hex(12)}`
  const sandbox = { apiKey: () => sandboxKey }
  route('/xdc/apiv2getsignkey/sign/getsignkey', () => ({ result_code: 'SUCCESS', sandbox_signkey: sandboxKey }), { appid: false, signedReply: false })
  route('/xdc/apiv2sandbox/pay/micropay', (call, reply) => call.fields.total_fee === '1'
    ? micropay(call, reply)
    : businessFailed('PARAM_ERROR', '沙箱支付金额(1)无效，请检查需要验收的case'), sandbox)
  route('/xdc/apiv2sandbox/pay/orderquery', query, sandbox)
  route('/xdc/apiv2sandbox/pay/reverse', reverse, { ...sandbox, cert: true })
  app.post('/sandboxnew/*', async (_request, reply) => reply.type('text/plain').send(v2Xml({ return_code: 'FAIL', return_msg: '沙箱已迁移' })))
}
