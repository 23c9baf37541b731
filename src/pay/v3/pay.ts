/** Orders, refunds and bills with APIv3: WeChat Pay APIv3 documentation, one page per call. */
import { WechatReplyError } from '../../errors.ts'
import type { CheckedV3 } from '../merchant.ts'
import { throwMalformedOrder } from '../malformed-order.ts'
import type { PayVersion } from '../version.ts'
import type { V3Caller } from './client.ts'
import { closing } from './close.ts'
import { appParams, jsapiParams } from './front-end.ts'
import { createV3PayByCode } from './codepay.ts'
import { orderBody } from './order-body.ts'
import { asOrder, asRefund, belongs } from './payment.ts'
import { decryptBill, ENCRYPTED_BILL } from './encrypted-bill.ts'

const ANSWER = {
  JSAPI: ['jsapi', 'prepay_id', /^[0-9A-Za-z_-]{1,64}$/],
  APP: ['app', 'prepay_id', /^[0-9A-Za-z_-]{1,64}$/],
  NATIVE: ['native', 'code_url', /^weixin:\/\/[\x21-\x7e]{1,512}$/],
  H5: ['h5', 'h5_url', /^https?:\/\/[\x21-\x7e]{1,512}$/]
} as const

const REFUNDS = '/v3/refund/domestic/refunds'

export function createV3Pay (client: V3Caller, appId: string, merchant: CheckedV3, notifyUrl: string): PayVersion {
  const { request, download } = client
  const { mchId, subMchId, subAppId } = merchant
  const pageAppId = subAppId ?? appId
  const isPartner = subMchId !== undefined
  const transactions = isPartner ? '/v3/pay/partner/transactions' : '/v3/pay/transactions'
  const ids = isPartner ? { sp_mchid: mchId, sub_mchid: subMchId } : { mchid: mchId }

  /** A bill's URL and its expected hash. */
  async function openBill (path: string, which: Record<string, string>) {
    const { download_url: url, hash_type: type, hash_value: sha1 } = await request('GET', path, { query: { ...which, ...(isPartner && { sub_mchid: subMchId }), tar_type: 'GZIP' } })
    if (typeof url !== 'string' || type !== 'SHA1' || typeof sha1 !== 'string' || !/^[0-9a-f]{40}$/i.test(sha1)) throw new WechatReplyError(path, 'the answer has no download_url or hash of the bill')
    return { body: await download(url), sha1 }
  }

  return {
    outTradeNo: { pattern: /^[0-9A-Za-z_\-|*]{6,32}$/, words: '6 to 32 of 0-9 A-Z a-z _ - | *' },

    async place (placing) {
      const [name, field, form] = ANSWER[placing.way]
      const path = `${transactions}/${name}`
      const { [field]: value } = await request('POST', path, { body: orderBody(placing, appId, merchant, notifyUrl), repeatable: true })
      if (typeof value !== 'string' || !form.test(value)) throw new WechatReplyError(path, `the answer has no usable ${field}`)
      return value
    },

    jsapiParams: async prepayId => await jsapiParams(pageAppId, prepayId, merchant),
    appParams: async prepayId => await appParams(pageAppId, prepayId, merchant),

    async query (which) {
      const [field, number, part] = 'transactionId' in which
        ? ['transaction_id', which.transactionId, 'id'] as const
        : ['out_trade_no', which.outTradeNo, 'out-trade-no'] as const
      const path = `${transactions}/${part}/${encodeURIComponent(number)}`
      const answer = await request('GET', path, { query: ids })
      if (answer[field] !== number || !belongs(answer, appId, merchant)) throw new WechatReplyError(path, 'the answer is about another order')
      return asOrder(answer) ?? throwMalformedOrder(path, answer.trade_state)
    },

    payByCode: createV3PayByCode(request, appId, merchant),

    close: async outTradeNo => { await closing(async () => await request('POST', `${transactions}/out-trade-no/${encodeURIComponent(outTradeNo)}/close`, { body: ids, repeatable: true })) },

    async refund (refund) {
      const answer = await request('POST', REFUNDS, {
        body: {
          ...(isPartner && { sub_mchid: subMchId }),
          ...('transactionId' in refund ? { transaction_id: refund.transactionId } : { out_trade_no: refund.outTradeNo }),
          out_refund_no: refund.outRefundNo,
          ...(refund.reason && { reason: refund.reason }),
          notify_url: refund.notifyUrl ?? notifyUrl,
          ...(refund.fromBalance && { funds_account: 'AVAILABLE' }),
          amount: { refund: refund.amount, total: refund.total, currency: 'CNY' }
        },
        repeatable: true
      })
      const taken = asRefund(answer, merchant)
      if (taken?.outRefundNo !== refund.outRefundNo || taken.amount !== refund.amount) throw new WechatReplyError(REFUNDS, 'the answer is about another refund')
      return taken
    },

    async queryRefund (outRefundNo) {
      const path = `${REFUNDS}/${encodeURIComponent(outRefundNo)}`
      const refund = asRefund(await request('GET', path, isPartner ? { query: { sub_mchid: subMchId } } : {}), merchant)
      if (refund?.outRefundNo !== outRefundNo) throw new WechatReplyError(path, 'the answer is about another refund')
      return refund
    },

    tradeBill: (date, type) => ({
      name: '/v3/bill/tradebill',
      open: async () => await openBill('/v3/bill/tradebill', { bill_date: date, bill_type: type })
    }),

    fundFlowBill: (date, account) => subMchId === undefined
      ? {
          name: '/v3/bill/fundflowbill',
          open: async () => await openBill('/v3/bill/fundflowbill', { bill_date: date, account_type: account })
        }
      // A sub-merchant's own bill is encrypted for the provider.
      : { name: ENCRYPTED_BILL, open: async () => ({ body: await decryptBill(client, merchant, { sub_mchid: subMchId, bill_date: date, account_type: account }) }) }
  }
}
