/** Sharing an order's money with others: WeChat Pay v2 documentation, "Profit sharing". Every number is idempotent. */
import { WechatInputError } from '../../errors.ts'
import { checkAmount, checkOutTradeNo, checkText, checkTransactionId } from '../order.ts'
import type { V2Caller } from './client.ts'
import type { Fields } from './xml.ts'

export type Receiver = { type: 'MERCHANT_ID' | 'PERSONAL_OPENID', account: string }

export interface Share {
  transactionId: string
  /** The merchant's number of this sharing. */
  outOrderNo: string
  receivers: Array<Receiver & { /** Integer fen. */ amount: number, description: string }>
}

export interface ProfitSharing {
  /** `more`: the order stays frozen for further sharing, until `finish`. */
  share (share: Share, options?: { more?: boolean }): Promise<Fields>
  finish (which: { transactionId: string, outOrderNo: string, description: string }): Promise<Fields>
  query (which: { transactionId: string, outOrderNo: string }): Promise<Fields>
  /** Takes back what a receiver got. `amount` in fen. */
  takeBack (which: { outOrderNo: string, outReturnNo: string, account: string, amount: number, description: string }): Promise<Fields>
  addReceiver (receiver: Receiver & { relation: string, name?: string }): Promise<Fields>
  removeReceiver (receiver: Receiver): Promise<Fields>
}

export function createProfitSharing ({ post }: V2Caller): ProfitSharing {
  return {
    async share ({ transactionId, outOrderNo, receivers }, { more = false } = {}) {
      if (!Array.isArray(receivers) || receivers.length === 0 || receivers.length > 50) throw new WechatInputError('receivers', 'must be 1 to 50')
      const list = receivers.map(({ type, account, amount, description }) => ({ type, account, amount: checkAmount(amount), description: checkText('description', description, 80) }))
      return await post(more ? '/secapi/pay/multiprofitsharing' : '/secapi/pay/profitsharing', {
        transaction_id: checkTransactionId(transactionId), out_order_no: checkOutTradeNo(outOrderNo), receivers: JSON.stringify(list)
      })
    },
    finish: async ({ transactionId, outOrderNo, description }) => await post('/secapi/pay/profitsharingfinish', {
      transaction_id: checkTransactionId(transactionId), out_order_no: checkOutTradeNo(outOrderNo), description: checkText('description', description, 80)
    }),
    query: async ({ transactionId, outOrderNo }) => await post('/pay/profitsharingquery', {
      transaction_id: checkTransactionId(transactionId), out_order_no: checkOutTradeNo(outOrderNo)
    }),
    takeBack: async ({ outOrderNo, outReturnNo, account, amount, description }) => await post('/secapi/pay/profitsharingreturn', {
      out_order_no: checkOutTradeNo(outOrderNo),
      out_return_no: checkOutTradeNo(outReturnNo),
      return_account_type: 'MERCHANT_ID',
      return_account: account,
      return_amount: checkAmount(amount),
      description: checkText('description', description, 80)
    }),
    addReceiver: async ({ type, account, relation, name }) => await post('/pay/profitsharingaddreceiver', {
      receiver: JSON.stringify({ type, account, relation_type: relation, ...(name && { name }) })
    }),
    removeReceiver: async receiver => await post('/pay/profitsharingremovereceiver', { receiver: JSON.stringify({ type: receiver.type, account: receiver.account }) })
  }
}
