/** Pay by code with v2: WeChat Pay v2 documentation, "Submit a micropay payment" and "Reverse an order". */
import { WechatApiError, WechatConfigError } from '../../errors.ts'
import type { CheckedV2 } from '../merchant.ts'
import type { PayByCode } from '../version.ts'
import type { V2Caller } from './client.ts'
import { orderParams } from './order-params.ts'
import { asPayment, oddField } from './payment.ts'

/** Answers that do not say whether the money has moved. */
const OPEN_END = new Set(['USERPAYING', 'SYSTEMERROR', 'BANKERROR'])

export function createV2PayByCode (v2: V2Caller, appId: string, merchant: CheckedV2): PayByCode {
  return {
    async take (order) {
      // Without the certificate a payment of unknown outcome cannot be reversed: do not start it.
      if (!merchant.certificate) throw new WechatConfigError('merchant.v2.pfx', '(or cert and key) is required for micropay: it is needed to reverse an order that fails halfway')
      try {
        const fields = await v2.post('/pay/micropay', { ...orderParams(order), auth_code: order.authCode })
        return oddField(fields) === undefined ? asPayment(fields, 'SUCCESS') : undefined
      } catch (error) {
        if (mayHavePaid(error)) return undefined
        throw error
      }
    },

    async reverse (outTradeNo) {
      try {
        const raw = await v2.post('/secapi/pay/reverse', { out_trade_no: outTradeNo })
        return { outTradeNo, state: 'REVOKED', appId: raw.appid as string, mchId: raw.mch_id as string, raw }
      } catch (error) {
        if ((error as { wechatCode?: string }).wechatCode !== 'ORDERNOTEXIST') throw error
        // The order never arrived: there is nothing to reverse.
        return { outTradeNo, state: 'NOTPAY', appId, mchId: merchant.mchId, raw: {} }
      }
    }
  }
}

function mayHavePaid (error: unknown): boolean {
  if (error instanceof WechatApiError) return OPEN_END.has(String(error.wechatCode))
  return (error as { outcome?: string }).outcome === 'unknown'
}
