/** Payment notifications as WeChat would send them, and as attackers would. */
import { signV2 } from '../../src/pay/v2/sign.ts'
import type { SignType } from '../../src/pay/v2/sign.ts'
import { ACCOUNT, OPENID } from './account.ts'

export type Fields = Record<string, string>

export const { appId, merchant } = ACCOUNT
export const { apiKey } = merchant.v2

/** The genuine one; `change` a field, or drop it with undefined. */
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

export function xml (fields: Fields): string {
  return `<xml>${Object.entries(fields).map(([name, value]) => `<${name}><![CDATA[${value.replaceAll(']]>', ']]]]><![CDATA[>')}]]></${name}>`).join('\n')}</xml>`
}

export function signed (fields: Fields, key = apiKey, signType: SignType = 'MD5'): string {
  return xml({ ...fields, sign: signV2(fields, key, signType) })
}
