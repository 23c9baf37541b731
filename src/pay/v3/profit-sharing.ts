/** Sharing an order's money with others: WeChat Pay APIv3 documentation, "Profit sharing". Every number is idempotent. */
import { WechatInputError, WechatReplyError } from '../../errors.ts'
import type { CheckedV3 } from '../merchant.ts'
import { checkAmount, checkText, checkTransactionId } from '../order.ts'
import { checkShareNumber } from '../share-number.ts'
import type { Json, V3Client } from './client.ts'
import { path } from './paths.ts'

/** `PERSONAL_SUB_OPENID`: an openid under the sub-merchant's own appId (`merchant.subAppId`). */
export interface V3Receiver { type: 'MERCHANT_ID' | 'PERSONAL_OPENID' | 'PERSONAL_SUB_OPENID', account: string, name?: string }

export interface V3ProfitSharing {
  /** Receivers' names are encrypted. `finish`: the rest goes to the merchant. */
  share (share: { transactionId: string, outOrderNo: string, receivers: Array<V3Receiver & { amount: number, description: string }>, finish: boolean }): Promise<Json>
  query (which: { transactionId: string, outOrderNo: string }): Promise<Json>
  finish (which: { transactionId: string, outOrderNo: string, description: string }): Promise<Json>
  takeBack (which: { outOrderNo: string, outReturnNo: string, returnMchId: string, amount: number, description: string }): Promise<Json>
  /** The result of a return. */
  queryReturn (which: { outOrderNo: string, outReturnNo: string }): Promise<Json>
  /** Integer fen of an order that are not yet shared. */
  remaining (transactionId: string): Promise<number>
  addReceiver (receiver: V3Receiver & { relation: string }): Promise<Json>
  removeReceiver (receiver: Pick<V3Receiver, 'type' | 'account'>): Promise<Json>
}

export function createV3ProfitSharing (request: V3Client['request'], appId: string, { subMchId, subAppId }: CheckedV3): V3ProfitSharing {
  const sub = subMchId === undefined ? {} : { sub_mchid: subMchId }
  const receiverOf = ({ type, account, name }: V3Receiver) => ({ type, account, ...(name && { name }) })

  /** The appId that an openid belongs to. */
  function appIdsFor (receivers: ReadonlyArray<Pick<V3Receiver, 'type'>>): Json {
    if (!receivers.some(({ type }) => type === 'PERSONAL_SUB_OPENID')) return { appid: appId }
    if (!subAppId) throw new WechatInputError('type', 'PERSONAL_SUB_OPENID needs merchant.subAppId')
    return { appid: appId, sub_appid: subAppId }
  }

  return {
    async share ({ transactionId, outOrderNo, receivers, finish }) {
      if (!Array.isArray(receivers) || receivers.length === 0 || receivers.length > 50) throw new WechatInputError('receivers', 'must be 1 to 50')
      return await request('POST', '/v3/profitsharing/orders', {
        body: {
          ...sub,
          ...appIdsFor(receivers),
          transaction_id: checkTransactionId(transactionId),
          out_order_no: checkShareNumber('outOrderNo', outOrderNo),
          receivers: receivers.map(receiver => ({ ...receiverOf(receiver), amount: checkAmount(receiver.amount), description: checkText('description', receiver.description, 80) })),
          unfreeze_unsplit: finish
        },
        encrypt: receivers.flatMap(({ name }, at) => name ? [`receivers.${at}.name`] : []),
        repeatable: true
      })
    },

    query: async ({ transactionId, outOrderNo }) => await request('GET', path('/v3/profitsharing/orders', checkShareNumber('outOrderNo', outOrderNo)), { query: { ...sub, transaction_id: checkTransactionId(transactionId) } }),

    finish: async ({ transactionId, outOrderNo, description }) => await request('POST', '/v3/profitsharing/orders/unfreeze', {
      body: { ...sub, transaction_id: checkTransactionId(transactionId), out_order_no: checkShareNumber('outOrderNo', outOrderNo), description: checkText('description', description, 80) }, repeatable: true
    }),

    takeBack: async ({ outOrderNo, outReturnNo, returnMchId, amount, description }) => await request('POST', '/v3/profitsharing/return-orders', {
      body: { ...sub, out_order_no: checkShareNumber('outOrderNo', outOrderNo), out_return_no: checkShareNumber('outReturnNo', outReturnNo), return_mchid: returnMchId, amount: checkAmount(amount), description: checkText('description', description, 80) }, repeatable: true
    }),

    queryReturn: async ({ outOrderNo, outReturnNo }) => await request('GET', path('/v3/profitsharing/return-orders', checkShareNumber('outReturnNo', outReturnNo)), { query: { ...sub, out_order_no: checkShareNumber('outOrderNo', outOrderNo) } }),

    async remaining (transactionId) {
      const call = `${path('/v3/profitsharing/transactions', checkTransactionId(transactionId))}/amounts`
      const { transaction_id: id, unsplit_amount: fen } = await request('GET', call)
      if (id !== transactionId || typeof fen !== 'number' || !Number.isSafeInteger(fen) || fen < 0) throw new WechatReplyError(call, 'the answer has no usable remaining amount')
      return fen
    },

    addReceiver: async receiver => await request('POST', '/v3/profitsharing/receivers/add', {
      body: { ...sub, ...appIdsFor([receiver]), ...receiverOf(receiver), relation_type: receiver.relation }, encrypt: receiver.name ? ['name'] : [], repeatable: true
    }),

    removeReceiver: async ({ type, account }) => await request('POST', '/v3/profitsharing/receivers/delete', { body: { ...sub, ...appIdsFor([{ type }]), type, account }, repeatable: true })
  }
}
