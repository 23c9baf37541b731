/** `app.wechatPay.v3`: any call of APIv3, and the usual ones beside payments in typed form. */
import { WechatInputError, WechatReplyError } from '../../errors.ts'
import { OPENID } from '../../official-account/oauth.ts'
import { toRfc3339ChinaTime } from '../china-time.ts'
import type { CheckedV3 } from '../merchant.ts'
import { checkAmount, checkOpenid, checkOutTradeNo, checkText, checkTransactionId } from '../order.ts'
import { checkOutRefundNo } from '../refund.ts'
import type { Refund } from '../refund.ts'
import type { AppParams, JsapiParams } from '../version.ts'
import type { Json, V3Caller, V3Client } from './client.ts'
import { appParams, jsapiParams } from './front-end.ts'
import { asRefund } from './payment.ts'

/** One of the orders that are paid together. */
export interface CombinePart {
  outTradeNo: string
  description: string
  /** Integer fen. */
  amount: number
  attach: string
  /** Whose it is. Default: the merchant's own. */
  mchId?: string
  subMchId?: string
}

export interface CombineOrder {
  combineOutTradeNo: string
  /** 2 to 50 orders. */
  parts: CombinePart[]
  expiresAt?: Date
  clientIp?: string
}

export interface Combine {
  jsapi (order: CombineOrder & { openid: string }): Promise<JsapiParams>
  app (order: CombineOrder): Promise<AppParams>
  native (order: CombineOrder): Promise<{ codeUrl: string }>
  h5 (order: CombineOrder & { clientIp: string }): Promise<{ h5Url: string }>
  query (combineOutTradeNo: string): Promise<Json>
  close (combineOutTradeNo: string, parts: Array<Pick<CombinePart, 'outTradeNo' | 'mchId' | 'subMchId'>>): Promise<void>
}

export interface TransferBill {
  /** The merchant's number of the transfer, 5 to 32 letters and digits: the same again is the same transfer. */
  outBillNo: string
  /** What the money is for, as agreed with WeChat Pay: 1000 is a marketing campaign. */
  sceneId: string
  openid: string
  /** Integer fen. */
  amount: number
  remark: string
  /** The receiver's real name, needed from 2,000 yuan on; it is encrypted on the way. */
  realName?: string
  /** What the scene has to report, by WeChat's own names. */
  reports: Array<{ info_type: string, info_content: string }>
  notifyUrl?: string
}

export interface Transfers {
  /** `packageInfo` goes to `wx.requestMerchantTransfer`, where the receiver confirms. */
  create (bill: TransferBill): Promise<{ transferBillNo: string, state: string, packageInfo: string | undefined }>
  query (outBillNo: string): Promise<Json>
  cancel (outBillNo: string): Promise<Json>
}

export interface V3Receiver { type: 'MERCHANT_ID' | 'PERSONAL_OPENID', account: string, name?: string }

export interface V3ProfitSharing {
  /** Names of receivers are encrypted on the way. `finish`: what is left goes to the merchant. */
  share (share: { transactionId: string, outOrderNo: string, receivers: Array<V3Receiver & { amount: number, description: string }>, finish: boolean }): Promise<Json>
  query (which: { transactionId: string, outOrderNo: string }): Promise<Json>
  finish (which: { transactionId: string, outOrderNo: string, description: string }): Promise<Json>
  takeBack (which: { outOrderNo: string, outReturnNo: string, returnMchId: string, amount: number, description: string }): Promise<Json>
  addReceiver (receiver: V3Receiver & { relation: string }): Promise<Json>
  removeReceiver (receiver: Pick<V3Receiver, 'type' | 'account'>): Promise<Json>
}

export interface V3 extends V3Client {
  combine: Combine
  transfers: Transfers
  profitSharing: V3ProfitSharing
  /** A refund that the payer's bank would not take, to another account; card number and name are encrypted on the way. */
  abnormalRefund (refund: { refundId: string, outRefundNo: string, type: 'USER_BANK_CARD' | 'MERCHANT_BANK_CARD', bankType?: string, bankAccount?: string, realName?: string }): Promise<Refund>
}

export function createV3 (caller: V3Caller, appId: string, merchant: CheckedV3, notifyUrl: string): V3 {
  const { request, upload, download, decrypt } = caller
  return {
    request,
    upload,
    download,
    decrypt,
    combine: combine(caller, appId, merchant, notifyUrl),
    transfers: transfers(caller, appId),
    profitSharing: profitSharing(caller, appId, merchant),

    async abnormalRefund ({ refundId, outRefundNo, type, bankType, bankAccount, realName }) {
      if (!/^\d{1,32}$/.test(refundId)) throw new WechatInputError('refundId', 'must be a string of digits')
      const path = `/v3/refund/domestic/refunds/${refundId}/apply-abnormal-refund`
      const refund = asRefund(await request('POST', path, {
        body: { out_refund_no: checkOutRefundNo(outRefundNo), type, bank_type: bankType, bank_account: bankAccount, real_name: realName },
        encrypt: [...(bankAccount ? ['bank_account'] : []), ...(realName ? ['real_name'] : [])],
        repeatable: true
      }), merchant)
      if (refund?.outRefundNo !== outRefundNo) throw new WechatReplyError(path, 'the answer is not the refund that was asked for')
      return refund
    }
  }
}

const path = (...parts: string[]) => parts.map((part, at) => at === 0 ? part : encodeURIComponent(part)).join('/')

function textIn (answer: Json, name: string, call: string): string {
  const value = answer[name]
  if (typeof value !== 'string' || value === '') throw new WechatReplyError(call, `the answer has no ${name}`)
  return value
}

function combine ({ request }: V3Caller, appId: string, merchant: CheckedV3, notifyUrl: string): Combine {
  async function place (way: 'jsapi' | 'app' | 'native' | 'h5', field: string, { combineOutTradeNo, parts, expiresAt, clientIp, openid }: CombineOrder & { openid?: string }): Promise<string> {
    if (!Array.isArray(parts) || parts.length < 2 || parts.length > 50) throw new WechatInputError('parts', 'must be 2 to 50 orders')
    const call = `/v3/combine-transactions/${way}`
    return textIn(await request('POST', call, {
      body: {
        combine_appid: appId,
        combine_mchid: merchant.mchId,
        combine_out_trade_no: checkOutTradeNo(combineOutTradeNo),
        sub_orders: parts.map(({ outTradeNo, description, amount, attach, mchId = merchant.mchId, subMchId }) => ({
          mchid: mchId,
          ...(subMchId && { sub_mchid: subMchId }),
          out_trade_no: checkOutTradeNo(outTradeNo),
          description: checkText('description', description, 127),
          attach: checkText('attach', attach, 128),
          amount: { total_amount: checkAmount(amount), currency: 'CNY' }
        })),
        ...(openid && { combine_payer_info: { openid } }),
        ...((clientIp || way === 'h5') && { scene_info: { payer_client_ip: clientIp, ...(way === 'h5' && { h5_info: { type: 'Wap' } }) } }),
        ...(expiresAt && { time_expire: toRfc3339ChinaTime(expiresAt) }),
        notify_url: notifyUrl
      },
      repeatable: true
    }), field, call)
  }

  return {
    async jsapi (order) {
      checkOpenid(order.openid)
      return await jsapiParams(appId, await place('jsapi', 'prepay_id', order), merchant)
    },
    app: async order => await appParams(appId, await place('app', 'prepay_id', order), merchant),
    native: async order => ({ codeUrl: await place('native', 'code_url', order) }),
    h5: async order => ({ h5Url: await place('h5', 'h5_url', order) }),
    query: async number => await request('GET', path('/v3/combine-transactions/out-trade-no', checkOutTradeNo(number))),
    async close (number, parts) {
      await request('POST', `${path('/v3/combine-transactions/out-trade-no', checkOutTradeNo(number))}/close`, {
        body: {
          combine_appid: appId,
          sub_orders: parts.map(({ outTradeNo, mchId = merchant.mchId, subMchId }) => ({ mchid: mchId, out_trade_no: checkOutTradeNo(outTradeNo), ...(subMchId && { sub_mchid: subMchId }) }))
        },
        repeatable: true
      })
    }
  }
}

function transfers ({ request }: V3Caller, appId: string): Transfers {
  const bills = '/v3/fund-app/mch-transfer/transfer-bills'
  const number = (value: string) => {
    if (!/^[0-9A-Za-z]{5,32}$/.test(value)) throw new WechatInputError('outBillNo', 'must be 5 to 32 letters and digits')
    return value
  }
  return {
    async create ({ outBillNo, sceneId, openid, amount, remark, realName, reports, notifyUrl }) {
      if (!OPENID.test(openid)) throw new WechatInputError('openid', 'must be the receiver\'s openid')
      const answer = await request('POST', bills, {
        body: {
          appid: appId,
          out_bill_no: number(outBillNo),
          transfer_scene_id: sceneId,
          openid,
          ...(realName && { user_name: realName }),
          transfer_amount: checkAmount(amount),
          transfer_remark: checkText('remark', remark, 96),
          ...(notifyUrl && { notify_url: notifyUrl }),
          transfer_scene_report_infos: reports
        },
        encrypt: realName ? ['user_name'] : [],
        repeatable: true
      })
      const packageInfo = answer.package_info
      return { transferBillNo: textIn(answer, 'transfer_bill_no', bills), state: textIn(answer, 'state', bills), packageInfo: typeof packageInfo === 'string' ? packageInfo : undefined }
    },
    query: async outBillNo => await request('GET', path(`${bills}/out-bill-no`, number(outBillNo))),
    cancel: async outBillNo => await request('POST', `${path(`${bills}/out-bill-no`, number(outBillNo))}/cancel`, { repeatable: true })
  }
}

function profitSharing ({ request }: V3Caller, appId: string, { subMchId }: CheckedV3): V3ProfitSharing {
  const sub = subMchId === undefined ? {} : { sub_mchid: subMchId }
  const receiverOf = ({ type, account, name }: V3Receiver) => ({ type, account, ...(name && { name }) })
  return {
    async share ({ transactionId, outOrderNo, receivers, finish }) {
      if (!Array.isArray(receivers) || receivers.length === 0 || receivers.length > 50) throw new WechatInputError('receivers', 'must be 1 to 50')
      return await request('POST', '/v3/profitsharing/orders', {
        body: {
          ...sub,
          appid: appId,
          transaction_id: checkTransactionId(transactionId),
          out_order_no: checkOutTradeNo(outOrderNo),
          receivers: receivers.map(receiver => ({ ...receiverOf(receiver), amount: checkAmount(receiver.amount), description: checkText('description', receiver.description, 80) })),
          unfreeze_unsplit: finish
        },
        encrypt: receivers.flatMap(({ name }, at) => name ? [`receivers.${at}.name`] : []),
        repeatable: true
      })
    },
    query: async ({ transactionId, outOrderNo }) => await request('GET', path('/v3/profitsharing/orders', checkOutTradeNo(outOrderNo)), { query: { ...sub, transaction_id: checkTransactionId(transactionId) } }),
    finish: async ({ transactionId, outOrderNo, description }) => await request('POST', '/v3/profitsharing/orders/unfreeze', {
      body: { ...sub, transaction_id: checkTransactionId(transactionId), out_order_no: checkOutTradeNo(outOrderNo), description: checkText('description', description, 80) }, repeatable: true
    }),
    takeBack: async ({ outOrderNo, outReturnNo, returnMchId, amount, description }) => await request('POST', '/v3/profitsharing/return-orders', {
      body: { ...sub, out_order_no: checkOutTradeNo(outOrderNo), out_return_no: checkOutTradeNo(outReturnNo), return_mchid: returnMchId, amount: checkAmount(amount), description: checkText('description', description, 80) }, repeatable: true
    }),
    addReceiver: async receiver => await request('POST', '/v3/profitsharing/receivers/add', {
      body: { ...sub, appid: appId, ...receiverOf(receiver), relation_type: receiver.relation }, encrypt: receiver.name ? ['name'] : [], repeatable: true
    }),
    removeReceiver: async ({ type, account }) => await request('POST', '/v3/profitsharing/receivers/delete', { body: { ...sub, appid: appId, type, account }, repeatable: true })
  }
}
