/** A v2 refund notification: not signed, but its content is encrypted with the merchant's API key. */
import { createCipheriv } from 'node:crypto'
import { refundCipherKey } from '../../../src/pay/v2/refund-cipher.ts'
import { v2Xml } from '../wechat/wire.ts'
import type { Refund, State } from '../state/state.ts'

type RefundFields = Pick<Refund, 'out_refund_no' | 'refund_id' | 'out_trade_no' | 'transaction_id' | 'refund_fee' | 'total_fee' | 'refund_account' | 'refund_status' | 'success_time'>

export function refundXml ({ account: { appId, mchId, apiKey }, random }: Pick<State, 'account' | 'random'>, refund: RefundFields, sub: Record<string, string> = {}): string {
  const inside = v2Xml({
    out_refund_no: refund.out_refund_no,
    out_trade_no: refund.out_trade_no,
    refund_account: refund.refund_account,
    refund_fee: String(refund.refund_fee),
    refund_id: refund.refund_id,
    refund_recv_accout: '支付用户零钱',
    refund_request_source: 'API',
    refund_status: refund.refund_status,
    settlement_refund_fee: String(refund.refund_fee),
    settlement_total_fee: String(refund.total_fee),
    success_time: refund.success_time,
    total_fee: String(refund.total_fee),
    transaction_id: refund.transaction_id
  }, 'root')
  const cipher = createCipheriv('aes-256-ecb', refundCipherKey(apiKey), null)
  return v2Xml({ return_code: 'SUCCESS', appid: appId, mch_id: mchId, ...sub, nonce_str: random.hex(16), req_info: cipher.update(inside, 'utf8', 'base64') + cipher.final('base64') })
}
