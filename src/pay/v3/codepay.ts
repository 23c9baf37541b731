/** Pay by code with APIv3: WeChat Pay APIv3 documentation, "Code payment" and "Reverse an order" (since April 2024). */
import { WechatApiError, WechatReplyError } from '../../errors.ts'
import type { CheckedV3 } from '../merchant.ts'
import type { PayByCode } from '../version.ts'
import type { V3Client } from './client.ts'
import { codeBody, idsOf } from './order-body.ts'
import { asOrder, belongs, isForeign, rawOf } from './payment.ts'

/** WeChat refused the call and did nothing, although the status looks like its own fault. */
const NOT_BEGUN = new Set(['FREQUENCY_LIMITED', 'FREQUENCY_LIMIT_EXCEED', 'RATELIMIT_EXCEED', 'RATELIMIT_EXCEEDED'])

export function createV3PayByCode (request: V3Client['request'], appId: string, merchant: CheckedV3): PayByCode {
  const base = merchant.subMchId === undefined ? '/v3/pay/transactions' : '/v3/pay/partner/transactions'

  return {
    async take (order) {
      const body = codeBody(order, appId, merchant)
      try {
        // The code works once: query an unknown outcome, never send it again.
        const answer = await request('POST', `${base}/codepay`, { body, repeatable: false })
        const paid = belongs(answer, appId, merchant) ? asOrder(answer) : undefined
        return paid?.state === 'SUCCESS' && 'transactionId' in paid ? paid : undefined
      } catch (error) {
        if (mayHavePaid(error)) return undefined
        throw error
      }
    },

    async reverse (outTradeNo) {
      const path = `${base}/out-trade-no/${encodeURIComponent(outTradeNo)}/reverse`
      try {
        const answer = await request('POST', path, { body: idsOf(appId, merchant), repeatable: true })
        if (answer.out_trade_no !== outTradeNo || isForeign(answer, appId, merchant)) throw new WechatReplyError(path, 'the answer is about another order')
        return { outTradeNo, state: 'REVOKED', appId, mchId: merchant.mchId, raw: rawOf(answer) }
      } catch (error) {
        if (!(error instanceof WechatApiError && error.signed && ABSENT.has(error.wechatCode ?? ''))) throw error
        // The order never arrived: there is nothing to reverse.
        return { outTradeNo, state: 'NOTPAY', appId, mchId: merchant.mchId, raw: {} }
      }
    }
  }
}

const ABSENT = new Set(['ORDER_NOT_EXIST', 'ORDERNOTEXIST'])

/** 202 (the payer is typing the password) has no code, so it surfaces as a reply of unknown outcome. */
function mayHavePaid (error: unknown): boolean {
  if (!(error instanceof WechatApiError)) return (error as { outcome?: string }).outcome === 'unknown'
  // An unsigned answer is a gateway's and proves nothing about money.
  return !error.signed || (error.fault === 'wechat' && !NOT_BEGUN.has(error.wechatCode ?? ''))
}
