/** Orders, refunds and bills with v2: WeChat Pay v2 documentation, one page per call. */
import { WechatReplyError } from '../../errors.ts'
import type { CheckedV2 } from '../merchant.ts'
import { throwMalformedOrder } from '../malformed-order.ts'
import { h5Info } from '../order.ts'
import type { Refund } from '../refund.ts'
import type { PayVersion, Placing } from '../version.ts'
import type { V2Caller, V2Params } from './client.ts'
import { appParams, jsapiParams } from './front-end.ts'
import { createV2PayByCode } from './micropay.ts'
import { orderParams } from './order-params.ts'
import { asOrder, oddField } from './payment.ts'
import { asRefund, foldIndexed } from './refund.ts'
import type { Fields } from './xml.ts'

const ANSWER = {
  JSAPI: ['prepay_id', /^[0-9A-Za-z_-]{1,64}$/],
  APP: ['prepay_id', /^[0-9A-Za-z_-]{1,64}$/],
  NATIVE: ['code_url', /^weixin:\/\/[\x21-\x7e]{1,128}$/],
  H5: ['mweb_url', /^https?:\/\/[\x21-\x7e]{1,512}$/]
} as const

const TRADE_TYPE = { JSAPI: 'JSAPI', APP: 'APP', NATIVE: 'NATIVE', H5: 'MWEB' } as const

export function createV2Pay (v2: V2Caller, appId: string, merchant: CheckedV2, notifyUrl: string): PayVersion {
  const { mchId, subMchId, subAppId, signType } = merchant
  // The page belongs to the account whose openid the payer has.
  const pageAppId = subAppId ?? appId

  function paramsOf (placing: Placing): V2Params & { trade_type: string } {
    const params = orderParams(placing.order, placing.way === 'H5' ? h5Info(placing.order, 'wap_url', 'wap_name') : undefined)
    if (placing.way === 'JSAPI') params[subAppId === undefined ? 'openid' : 'sub_openid'] = placing.order.openid
    else if (placing.way === 'NATIVE') params.product_id = placing.order.productId ?? placing.order.outTradeNo
    params.notify_url = notifyUrl
    return Object.assign(params, { trade_type: TRADE_TYPE[placing.way] })
  }

  function verifiedRefund (path: string, fields: Fields, state: string, raw: Fields, outRefundNo: string): Refund {
    const refund = asRefund(fields, state, merchant, raw)
    if (refund?.outRefundNo !== outRefundNo) throw new WechatReplyError(path, 'the answer is about another refund')
    return refund
  }

  return {
    outTradeNo: { pattern: /^[0-9A-Za-z_\-|*@]{1,32}$/, words: '1 to 32 of 0-9 A-Z a-z _ - | * @' },

    async place (placing) {
      const params = paramsOf(placing)
      const answer = await v2.post('/pay/unifiedorder', params)
      const [name, form] = ANSWER[placing.way]
      const value = answer[name]
      if (!value || !form.test(value) || answer.trade_type !== params.trade_type) throw new WechatReplyError('/pay/unifiedorder', `the answer has no usable ${name}`)
      return value
    },

    jsapiParams: async prepayId => jsapiParams(pageAppId, prepayId, await v2.apiKey(), signType),
    appParams: async prepayId => appParams(pageAppId, subMchId ?? mchId, prepayId, await v2.apiKey(), signType),

    async query (which) {
      const params = 'transactionId' in which ? { transaction_id: which.transactionId } : { out_trade_no: which.outTradeNo }
      const fields = await v2.post('/pay/orderquery', params)
      const [name, expected] = Object.entries(params)[0] as [string, string]
      if (oddField(fields) !== undefined || fields[name] !== expected) throw new WechatReplyError('/pay/orderquery', 'the answer is about another order')
      return asOrder(fields) ?? throwMalformedOrder('/pay/orderquery', fields.trade_state)
    },

    payByCode: createV2PayByCode(v2, appId, merchant),

    async close (outTradeNo) {
      try {
        await v2.post('/pay/closeorder', { out_trade_no: outTradeNo })
      } catch (error) {
        // Closing an order twice is fine.
        if ((error as { wechatCode?: string }).wechatCode !== 'ORDERCLOSED') throw error
      }
    },

    async refund (refund) {
      const fields = await v2.post('/secapi/pay/refund', {
        ...('transactionId' in refund ? { transaction_id: refund.transactionId } : { out_trade_no: refund.outTradeNo }),
        out_refund_no: refund.outRefundNo,
        total_fee: refund.total,
        refund_fee: refund.amount,
        refund_desc: refund.reason,
        refund_account: refund.fromBalance ? 'REFUND_SOURCE_RECHARGE_FUNDS' : undefined,
        notify_url: refund.notifyUrl ?? notifyUrl
      })
      // The answer means that the refund was accepted, not that it has arrived.
      const taken = verifiedRefund('/secapi/pay/refund', fields, 'PROCESSING', fields, refund.outRefundNo)
      if (taken.amount !== refund.amount) throw new WechatReplyError('/secapi/pay/refund', 'the answer is about another amount')
      return taken
    },

    async queryRefund (outRefundNo) {
      const path = '/pay/refundquery'
      const fields = await v2.post(path, { out_refund_no: outRefundNo })
      const [item = {}] = foldIndexed(fields)
      return verifiedRefund(path, { ...fields, ...item }, item.refund_status ?? '', fields, outRefundNo)
    },

    tradeBill: (date, type) => ({
      name: '/pay/downloadbill',
      open: async () => ({ body: await v2.download('/pay/downloadbill', { bill_date: date.replaceAll('-', ''), bill_type: type, tar_type: 'GZIP' }) })
    }),

    fundFlowBill: (date, account) => ({
      name: '/pay/downloadfundflow',
      open: async () => ({ body: await v2.download('/pay/downloadfundflow', { bill_date: date.replaceAll('-', ''), account_type: ACCOUNTS[account], tar_type: 'GZIP' }) })
    })
  }
}

const ACCOUNTS = { BASIC: 'Basic', OPERATION: 'Operation', FEES: 'Fees' } as const
