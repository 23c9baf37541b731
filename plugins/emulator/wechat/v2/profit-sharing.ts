/** v2's profit sharing. */
import { businessFailed } from '../wire.ts'
import type { Values } from '../wire.ts'
import { MAX_RATIO, NOT_YET } from '../sharing.ts'
import type { Share, ShareProblem, ShareReturn, Sharing } from '../sharing.ts'
import type { State } from '../../state/state.ts'
import type { V2Register, V2Handler } from './check-request.ts'
import type { V2Orders } from './orders.ts'

const SHARING = { signType: 'HMAC-SHA256' } as const

const REFUSALS: Readonly<Record<ShareProblem, Values>> = {
  'no-order': businessFailed('ORDER_NOT_EXIST', '订单不存在'),
  'not-shared': businessFailed('NOT_SHARE_ORDER', '非分账订单不支持分账'),
  busy: businessFailed('ORDER_NOT_READY', '订单处理中，请稍后重试'),
  'no-receiver': businessFailed('RECEIVER_INVALID', '分账接收方关系不存在，请检查参数中每个接收方的关系'),
  'over-ratio': businessFailed('AMOUNT_OVERDUE', '分账金额超出最大分账比例'),
  'not-enough': businessFailed('NOTENOUGH', '分账金额不足'),
  'repeated-otherwise': businessFailed('INVALID_REQUEST', '请求重入时，参数与首次请求时不一致')
}

export function v2ProfitSharing (route: V2Register, state: State, orders: V2Orders, sharing: Sharing): void {
  const parsed = (text: string | undefined): unknown => {
    try { return JSON.parse(text ?? '') } catch { return undefined }
  }
  const problem = (outcome: object | ShareProblem): outcome is ShareProblem => typeof outcome === 'string'

  route('/pay/profitsharingaddreceiver', ({ fields }) => {
    const receiver = parsed(fields.receiver) as { account?: string } | undefined
    if (!receiver?.account) return businessFailed('PARAM_ERROR', '参数错误:receiver')
    sharing.receivers.set(receiver.account, true)
    return { result_code: 'SUCCESS', receiver: fields.receiver as string }
  }, SHARING)

  route('/pay/profitsharingremovereceiver', ({ fields }) => {
    const receiver = parsed(fields.receiver) as { account?: string } | undefined
    if (!receiver?.account) return businessFailed('PARAM_ERROR', '参数错误:receiver')
    sharing.receivers.delete(receiver.account)
    return { result_code: 'SUCCESS', receiver: fields.receiver as string }
  }, SHARING)

  const share = (unfreeze: boolean): V2Handler => ({ fields, sub }) => {
    if (!fields.out_order_no) return businessFailed('PARAM_ERROR', '参数错误:out_order_no')
    const list = parsed(fields.receivers ?? '[]') as Array<{ type: string, account: string, amount: number, description: string }> | undefined
    if (!Array.isArray(list) || list.some(receiver => !receiver?.account || !Number.isInteger(receiver.amount) || receiver.amount < 1)) return businessFailed('PARAM_ERROR', '参数错误:receivers')
    const made = sharing.share({ out_order_no: fields.out_order_no, sub_mch_id: sub.sub_mch_id, transaction_id: fields.transaction_id ?? '', receivers: list.map(({ type, account, amount, description }) => ({ type, account, amount, description })), unfreeze, description: fields.description ?? '', notify_url: '' })
    if (problem(made)) return REFUSALS[made]
    return { result_code: 'SUCCESS', transaction_id: made.transaction_id, out_order_no: made.out_order_no, order_id: made.order_id, ...(made.receivers.length > 0 && { status: made.state, receivers: rows(made) }) }
  }
  route('/secapi/pay/profitsharing', share(true), { ...SHARING, cert: true })
  route('/secapi/pay/multiprofitsharing', share(false), { ...SHARING, cert: true })
  route('/secapi/pay/profitsharingfinish', share(true), { ...SHARING, cert: true })

  /** As recorded: the list has an extra row for the merchant itself. */
  function rows (share: Share): string {
    const own = { type: 'MERCHANT_ID', account: share.sub_mch_id || state.account.mchId, amount: restOf(share), description: '解冻给分账方' }
    return JSON.stringify([...share.receivers, own].map(({ type, account, amount, description }) => ({
      type, account, amount, description, result: share.state === 'FINISHED' ? 'SUCCESS' : 'PENDING', finish_time: share.finished || NOT_YET
    })))
  }

  const restOf = (share: Share) => {
    const order = orders.byTransaction(share.transaction_id)
    return order && share.unfreeze ? order.total_fee - share.receivers.reduce((total, { amount }) => total + amount, 0) : 0
  }

  route('/pay/profitsharingquery', ({ fields, sub }) => {
    const found = sharing.find(fields.out_order_no ?? '', sub.sub_mch_id)
    if (!found || found.transaction_id !== fields.transaction_id) return businessFailed('ORDER_NOT_EXIST', '分账订单不存在')
    return { result_code: 'SUCCESS', transaction_id: found.transaction_id, out_order_no: found.out_order_no, order_id: found.order_id, status: found.state, receivers: rows(found) }
  }, { ...SHARING, appid: false })

  const returned = (back: ShareReturn): Values => ({ result_code: 'SUCCESS', order_id: back.order_id, out_order_no: back.out_order_no, out_return_no: back.out_return_no, return_no: back.return_id, return_account_type: 'MERCHANT_ID', return_account: back.account, return_amount: back.amount, description: back.description, result: 'SUCCESS', finish_time: back.at })

  route('/secapi/pay/profitsharingreturn', ({ fields, sub }) => {
    const back = sharing.takeBack({ out_return_no: fields.out_return_no ?? '', sub_mch_id: sub.sub_mch_id, account: fields.return_account ?? '', amount: Number(fields.return_amount), description: fields.description ?? '', ...(fields.out_order_no && { out_order_no: fields.out_order_no }), ...(fields.order_id && { order_id: fields.order_id }) })
    return problem(back) ? REFUSALS[back] : returned(back)
  }, { ...SHARING, cert: true })

  route('/pay/profitsharingreturnquery', ({ fields, sub }) => {
    const back = sharing.findReturn(fields.out_return_no ?? '', sub.sub_mch_id)
    return back ? returned(back) : businessFailed('ORDER_NOT_EXIST', '记录不存在')
  }, SHARING)

  route('/pay/profitsharingorderamountquery', ({ fields, sub }) => {
    const order = orders.byTransaction(fields.transaction_id ?? '')
    return order && order.sub_mch_id === sub.sub_mch_id ? { result_code: 'SUCCESS', transaction_id: order.transaction_id, unsplit_amount: sharing.left(order) } : businessFailed('ORDER_NOT_EXIST', '订单不存在')
  }, { ...SHARING, appid: false, includesAppid: false })

  route('/pay/profitsharingmerchantratioquery', ({ fields }) => ({ result_code: 'SUCCESS', ...(fields.brand_mch_id && { brand_mch_id: fields.brand_mch_id }), max_ratio: MAX_RATIO }), { ...SHARING, appid: false, includesAppid: false })
}
