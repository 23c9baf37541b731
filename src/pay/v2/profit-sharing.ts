/** Sharing an order's money with others: WeChat Pay v2 documentation, "Profit sharing". Every number is idempotent. */
import { WechatInputError, WechatReplyError } from '../../errors.ts'
import { checkAmount, checkText, checkTransactionId } from '../order.ts'
import { checkShareNumber } from '../share-number.ts'
import type { V2Caller } from './client.ts'
import type { Fields } from './xml.ts'

/** `PERSONAL_SUB_OPENID`: an openid under the sub-merchant's own appId (`merchant.subAppId`). */
export type Receiver = { type: 'MERCHANT_ID' | 'PERSONAL_OPENID' | 'PERSONAL_SUB_OPENID', account: string }

export interface Share {
  transactionId: string
  /** The merchant's number of this share, 1 to 64 of `0-9 A-Z a-z _ - | * @`. */
  outOrderNo: string
  receivers: Array<Receiver & { /** Integer fen. */ amount: number, description: string, /** If WeChat is to compare it. */ name?: string }>
}

export interface ProfitSharing {
  /** `more`: the rest stays frozen for further sharing, until `finish`. */
  share (share: Share, options?: { more?: boolean }): Promise<Fields>
  finish (which: { transactionId: string, outOrderNo: string, description: string }): Promise<Fields>
  query (which: { transactionId: string, outOrderNo: string }): Promise<Fields>
  /** Takes back money from a receiver. `amount` in fen. */
  takeBack (which: { outOrderNo: string, outReturnNo: string, account: string, amount: number, description: string }): Promise<Fields>
  /** The result of a return. */
  queryReturn (which: { outOrderNo: string, outReturnNo: string }): Promise<Fields>
  /** Integer fen of an order that are not yet shared. */
  remaining (transactionId: string): Promise<number>
  addReceiver (receiver: Receiver & { relation: string, name?: string }): Promise<Fields>
  removeReceiver (receiver: Receiver): Promise<Fields>
}

export function createProfitSharing ({ post }: V2Caller): ProfitSharing {
  return {
    async share ({ transactionId, outOrderNo, receivers }, { more = false } = {}) {
      if (!Array.isArray(receivers) || receivers.length === 0 || receivers.length > 50) throw new WechatInputError('receivers', 'must be 1 to 50')
      const list = receivers.map(({ type, account, amount, description, name }) => ({ type, account, amount: checkAmount(amount), description: checkText('description', description, 80), ...(name && { name }) }))
      return await post(more ? '/secapi/pay/multiprofitsharing' : '/secapi/pay/profitsharing', {
        transaction_id: checkTransactionId(transactionId), out_order_no: checkShareNumber('outOrderNo', outOrderNo), receivers: JSON.stringify(list)
      })
    },
    finish: async ({ transactionId, outOrderNo, description }) => await post('/secapi/pay/profitsharingfinish', {
      transaction_id: checkTransactionId(transactionId), out_order_no: checkShareNumber('outOrderNo', outOrderNo), description: checkText('description', description, 80)
    }),
    query: async ({ transactionId, outOrderNo }) => await post('/pay/profitsharingquery', {
      transaction_id: checkTransactionId(transactionId), out_order_no: checkShareNumber('outOrderNo', outOrderNo)
    }),
    takeBack: async ({ outOrderNo, outReturnNo, account, amount, description }) => await post('/secapi/pay/profitsharingreturn', {
      out_order_no: checkShareNumber('outOrderNo', outOrderNo),
      out_return_no: checkShareNumber('outReturnNo', outReturnNo),
      return_account_type: 'MERCHANT_ID',
      return_account: account,
      return_amount: checkAmount(amount),
      description: checkText('description', description, 80)
    }),
    queryReturn: async ({ outOrderNo, outReturnNo }) => await post('/pay/profitsharingreturnquery', {
      out_order_no: checkShareNumber('outOrderNo', outOrderNo), out_return_no: checkShareNumber('outReturnNo', outReturnNo)
    }),
    async remaining (transactionId) {
      const path = '/pay/profitsharingorderamountquery'
      const { transaction_id: id, unsplit_amount: fen = '' } = await post(path, { transaction_id: checkTransactionId(transactionId) })
      if (id !== transactionId || !/^(?:0|[1-9]\d{0,9})$/.test(fen)) throw new WechatReplyError(path, 'the answer has no usable remaining amount')
      return Number(fen)
    },
    addReceiver: async ({ type, account, relation, name }) => await post('/pay/profitsharingaddreceiver', {
      receiver: JSON.stringify({ type, account, relation_type: relation, ...(name && { name }) })
    }),
    removeReceiver: async receiver => await post('/pay/profitsharingremovereceiver', { receiver: JSON.stringify({ type: receiver.type, account: receiver.account }) })
  }
}
