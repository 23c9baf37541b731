/** Payment notifications, genuine and forged. */
import { createCipheriv, createHash } from 'node:crypto'
import { signV2 } from '../../src/pay/v2/sign.ts'
import type { SignType } from '../../src/pay/v2/sign.ts'
import { ACCOUNT, OPENID } from './account.ts'

export type Fields = Record<string, string>

export const { appId, merchant } = ACCOUNT
export const { apiKey } = merchant.v2

/** A genuine notification; `change`: fields to replace, or to remove with undefined. */
export function payment (change: Record<string, string | undefined> = {}): Fields {
  const all = {
    return_code: 'SUCCESS',
    result_code: 'SUCCESS',
    appid: appId,
    mch_id: merchant.mchId,
    nonce_str: '5d2b6c2a8db53831f7eda20af46e531c',
    openid: OPENID,
    is_subscribe: 'Y',
    trade_type: 'JSAPI',
    bank_type: 'CFT',
    total_fee: '100',
    fee_type: 'CNY',
    cash_fee: '90',
    transaction_id: '4200000000202611231234567890',
    out_trade_no: 'S1234567890',
    attach: 'a=1&b=2',
    time_end: '20261123182000',
    ...change
  }
  return Object.fromEntries(Object.entries(all).filter((pair): pair is [string, string] => pair[1] !== undefined))
}

export function xml (fields: Fields, root = 'xml'): string {
  return `<${root}>${Object.entries(fields).map(([name, value]) => `<${name}><![CDATA[${value.replaceAll(']]>', ']]]]><![CDATA[>')}]]></${name}>`).join('\n')}</${root}>`
}

export function signed (fields: Fields, key = apiKey, signType: SignType = 'MD5'): string {
  return xml({ ...fields, sign: signV2(fields, key, signType) })
}

/** A refund notification; `change`: encrypted fields to replace, or to remove with undefined. Written from WeChat's documentation, without our own cipher. */
export function refundNotification (change: Record<string, string | undefined> = {}, { key = apiKey, outer = {}, root = 'root' }: { key?: string, outer?: Fields, root?: string } = {}): string {
  const inside = {
    out_refund_no: 'R1',
    out_trade_no: 'S1234567890',
    refund_account: 'REFUND_SOURCE_RECHARGE_FUNDS',
    refund_fee: '40',
    refund_id: '50000408942018111907145868882',
    refund_recv_accout: '支付用户零钱',
    refund_request_source: 'API',
    refund_status: 'SUCCESS',
    settlement_refund_fee: '40',
    settlement_total_fee: '100',
    success_time: '2026-11-23 18:30:00',
    total_fee: '100',
    transaction_id: '4200000000202611231234567890',
    cash_refund_fee: '36',
    ...change
  }
  const cipher = createCipheriv('aes-256-ecb', createHash('md5').update(key).digest('hex'), null)
  const text = xml(Object.fromEntries(Object.entries(inside).filter((pair): pair is [string, string] => pair[1] !== undefined)), root)
  return xml({ return_code: 'SUCCESS', appid: appId, mch_id: merchant.mchId, nonce_str: 'n1', req_info: Buffer.concat([cipher.update(text), cipher.final()]).toString('base64'), ...outer })
}
