/** `app.wechatPay.v3`: any APIv3 call, and typed helpers for common ones. */
import { WechatInputError, WechatReplyError } from '../../errors.ts'
import { toRfc3339ChinaTime } from '../china-time.ts'
import type { CheckedV3 } from '../merchant.ts'
import { checkAmount, checkOpenid, checkOutTradeNo, checkText } from '../order.ts'
import { checkOutRefundNo } from '../refund.ts'
import type { Refund } from '../refund.ts'
import type { AppParams, JsapiParams } from '../version.ts'
import type { Json, V3Caller, V3Client } from './client.ts'
import { closing } from './close.ts'
import { appParams, jsapiParams } from './front-end.ts'
import { path, textIn } from './paths.ts'
import { asRefund } from './payment.ts'
import { createV3ProfitSharing } from './profit-sharing.ts'
import type { V3ProfitSharing } from './profit-sharing.ts'
import { createTransfers } from './transfers.ts'
import type { Transfers } from './transfers.ts'

/** One of the orders in a combined order. */
export interface CombinePart {
  outTradeNo: string
  description: string
  /** Integer fen. */
  amount: number
  attach: string
  /** The sub-merchant. Default: the merchant itself. */
  mchId?: string
  subMchId?: string
}

export interface CombineOrder {
  combineOutTradeNo: string
  /** 2 to 10 orders of the merchant's own; 2 to 50 in service provider mode, where each order has its `subMchId`. */
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

export interface V3 extends V3Client {
  combine: Combine
  transfers: Transfers
  profitSharing: V3ProfitSharing
  /** Sends a refund that the payer's bank refused to another account; card number and name are encrypted. */
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
    transfers: createTransfers(caller, appId, merchant),
    profitSharing: createV3ProfitSharing(request, appId, merchant),

    async abnormalRefund ({ refundId, outRefundNo, type, bankType, bankAccount, realName }) {
      if (!/^\d{1,32}$/.test(refundId)) throw new WechatInputError('refundId', 'must be a string of digits')
      const call = `/v3/refund/domestic/refunds/${refundId}/apply-abnormal-refund`
      const refund = asRefund(await request('POST', call, {
        body: { sub_mchid: merchant.subMchId, out_refund_no: checkOutRefundNo(outRefundNo), type, bank_type: bankType, bank_account: bankAccount, real_name: realName },
        encrypt: [...(bankAccount ? ['bank_account'] : []), ...(realName ? ['real_name'] : [])],
        repeatable: true
      }), merchant)
      if (refund?.outRefundNo !== outRefundNo) throw new WechatReplyError(call, 'the answer is about another refund')
      return refund
    }
  }
}

function combine ({ request }: V3Caller, appId: string, merchant: CheckedV3, notifyUrl: string): Combine {
  async function place (way: 'jsapi' | 'app' | 'native' | 'h5', field: string, { combineOutTradeNo, parts, expiresAt, clientIp, openid }: CombineOrder & { openid?: string }): Promise<string> {
    const most = Array.isArray(parts) && (merchant.subMchId !== undefined || parts.some(part => part?.subMchId !== undefined)) ? 50 : 10
    if (!Array.isArray(parts) || parts.length < 2 || parts.length > most) throw new WechatInputError('parts', `must be 2 to ${most} orders`)
    const call = `/v3/combine-transactions/${way}`
    return textIn(await request('POST', call, {
      body: {
        combine_appid: appId,
        combine_mchid: merchant.mchId,
        combine_out_trade_no: checkOutTradeNo(combineOutTradeNo),
        sub_orders: parts.map(({ outTradeNo, description, amount, attach, mchId = merchant.mchId, subMchId = merchant.subMchId }) => ({
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
      const call = `${path('/v3/combine-transactions/out-trade-no', checkOutTradeNo(number))}/close`
      const body = {
        combine_appid: appId,
        sub_orders: parts.map(({ outTradeNo, mchId = merchant.mchId, subMchId = merchant.subMchId }) => ({ mchid: mchId, out_trade_no: checkOutTradeNo(outTradeNo), ...(subMchId && { sub_mchid: subMchId }) }))
      }
      await closing(async () => await request('POST', call, { body, repeatable: true }))
    }
  }
}
