/** Notifications for users' own tests: correctly signed for a given account, ready for `app.inject()`, without an emulator running. */
import { signV2 } from '../../../src/pay/v2/sign.ts'
import type { SignType } from '../../../src/pay/v2/sign.ts'
import { refundXml } from './refund-message.ts'
import { createV3Keys, pem } from '../keys/v3-keys.ts'
import { byPublicKey, encryptResource, signedHeaders } from '../wechat/v3/wire.ts'
import { v2Xml } from '../wechat/wire.ts'
import { chinaTime, createState, rfc3339 } from '../state/state.ts'

export interface TestAccount {
  appId: string
  mchId: string
  /** Of v2. */
  apiKey?: string
  signType?: SignType
  /** Of v3. */
  apiV3Key?: string
}

export interface TestPayment {
  outTradeNo: string
  /** Integer fen. */
  amount: number
  openid?: string
  /** Default: generated. */
  transactionId?: string
  attach?: string
  paidAt?: Date
}

export interface TestRefund {
  outTradeNo: string
  outRefundNo: string
  /** Integer fen. */
  amount: number
  total: number
  state?: 'SUCCESS' | 'CLOSED' | 'ABNORMAL'
  refundId?: string
  transactionId?: string
}

/** For `app.inject({ method: 'POST', url: '/wechat/notify', ...message })`. */
export interface TestMessage { headers: Record<string, string>, payload: string }

export interface TestNotifications {
  v2: { payment (payment: TestPayment): TestMessage, refund (refund: TestRefund): TestMessage }
  v3: {
    /** `merchant.v3` for a server that accepts these messages: generated keys, and the given apiV3Key. */
    merchant: { serialNo: string, privateKey: string, apiV3Key: string, publicKeyId: string, publicKey: string }
    payment (payment: TestPayment): TestMessage
    refund (refund: TestRefund): TestMessage
    /** Any other event. */
    event (eventType: string, resource: object, eventId?: string): TestMessage
    /** The same message with a wrong signature. */
    forged (message: TestMessage): TestMessage
  }
}

const OPENID = 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o'
const V2_STATES = { SUCCESS: 'SUCCESS', CLOSED: 'REFUNDCLOSE', ABNORMAL: 'CHANGE' } as const
const XML = { 'content-type': 'text/xml' }

export function testNotifications ({ appId, mchId, apiKey = '', signType = 'MD5', apiV3Key = '' }: TestAccount): TestNotifications {
  const state = createState({ appId, mchId, apiKey, apiV3Key })
  const keys = createV3Keys(mchId)
  const { digits, hex, uuid } = state.random
  const transaction = () => `42000${digits(23)}`

  function event (eventType: string, originalType: string, resource: object, eventId: string = uuid()): TestMessage {
    const payload = JSON.stringify({
      id: eventId,
      create_time: rfc3339(chinaTime(Date.now())),
      resource_type: 'encrypt-resource',
      event_type: eventType,
      summary: eventType,
      resource: { original_type: originalType, ...encryptResource(JSON.stringify(resource), apiV3Key, originalType) }
    })
    return { headers: { 'content-type': 'application/json', ...signedHeaders(state, payload, byPublicKey(keys)), 'wechatpay-signature-type': 'WECHATPAY2-SHA256-RSA2048' }, payload }
  }

  return {
    v2: {
      payment ({ outTradeNo, amount, openid = OPENID, transactionId = transaction(), attach, paidAt = new Date() }) {
        const fields: Record<string, string> = {
          return_code: 'SUCCESS',
          result_code: 'SUCCESS',
          appid: appId,
          mch_id: mchId,
          nonce_str: hex(16),
          ...(signType !== 'MD5' && { sign_type: signType }),
          openid,
          is_subscribe: 'Y',
          trade_type: 'JSAPI',
          bank_type: 'OTHERS',
          total_fee: String(amount),
          fee_type: 'CNY',
          cash_fee: String(amount),
          transaction_id: transactionId,
          out_trade_no: outTradeNo,
          ...(attach && { attach }),
          time_end: chinaTime(paidAt.getTime())
        }
        return { headers: XML, payload: v2Xml({ ...fields, sign: signV2(fields, apiKey, signType) }) }
      },
      refund ({ outTradeNo, outRefundNo, amount, total, state: end = 'SUCCESS', refundId = `50${digits(26)}`, transactionId = transaction() }) {
        return {
          headers: XML,
          payload: refundXml(state, { out_refund_no: outRefundNo, refund_id: refundId, out_trade_no: outTradeNo, transaction_id: transactionId, refund_fee: amount, total_fee: total, refund_account: 'REFUND_SOURCE_UNSETTLED_FUNDS', refund_status: V2_STATES[end], success_time: end === 'SUCCESS' ? rfc3339(chinaTime(Date.now())).slice(0, 19).replace('T', ' ') : '' })
        }
      }
    },
    v3: {
      merchant: { serialNo: keys.merchant.serial, privateKey: pem(keys.merchant.key), apiV3Key, publicKeyId: keys.wechat.id, publicKey: pem(keys.wechat.publicKey) },
      payment: ({ outTradeNo, amount, openid = OPENID, transactionId = transaction(), attach = '', paidAt = new Date() }) => event('TRANSACTION.SUCCESS', 'transaction', {
        appid: appId, mchid: mchId, out_trade_no: outTradeNo, transaction_id: transactionId, trade_type: 'JSAPI', trade_state: 'SUCCESS', bank_type: 'OTHERS', attach, success_time: rfc3339(chinaTime(paidAt.getTime())), payer: { openid }, amount: { total: amount, payer_total: amount, currency: 'CNY', payer_currency: 'CNY' }
      }),
      refund: ({ outTradeNo, outRefundNo, amount, total, state: end = 'SUCCESS', refundId = `50${digits(26)}`, transactionId = transaction() }) => event(`REFUND.${end}`, 'refund', {
        mchid: mchId, transaction_id: transactionId, out_trade_no: outTradeNo, refund_id: refundId, out_refund_no: outRefundNo, refund_status: end, ...(end === 'SUCCESS' && { success_time: rfc3339(chinaTime(Date.now())) }), user_received_account: '支付用户零钱', amount: { total, refund: amount, payer_total: total, payer_refund: amount }
      }),
      event: (eventType, resource, eventId) => event(eventType, 'event', resource, eventId),
      forged: ({ headers, payload }) => ({ headers: { ...headers, 'wechatpay-nonce': hex(16) }, payload })
    }
  }
}
