/** Transfers to a bank card (mmpaysptrans), and the public key that encrypts their fields (served by fraud.mch.weixin.qq.com). */
import { createHash } from 'node:crypto'
import { businessFailed } from '../wire.ts'
import { chinaTime } from '../../state/state.ts'
import type { State } from '../../state/state.ts'
import type { V2Register } from './check-request.ts'
import { withSeparators } from './refunds.ts'

interface BankTransfer {
  partner_trade_no: string
  payment_no: string
  bank_no_md5: string
  true_name_md5: string
  bank_code: string
  amount: number
  fee: number
  at: number
}

const OLD = { cert: true, signType: 'MD5', signedReply: false, appid: false } as const
/** Fee in fen: 0.1 %, at least 1 yuan and at most 25. */
const feeOf = (amount: number) => Math.min(2500, Math.max(100, Math.round(amount / 1000)))
const md5 = (text: string) => createHash('md5').update(text).digest('hex')

export interface BankParts {
  /** The public key: PKCS#1, PEM. */
  bankKey (): string
  /** Decrypts a field; undefined if it was not encrypted with `bankKey`. */
  decrypt (value: unknown): string | undefined
}

export function v2Bank (route: V2Register, state: State, { bankKey, decrypt }: BankParts): void {
  const transfers = state.memory.table<BankTransfer>('bankTransfers')

  route('/risk/getpublickey', () => ({ result_code: 'SUCCESS', mch_id: state.account.mchId, pub_key: bankKey() }), { cert: true, appid: false, signedReply: false })

  route('/mmpaysptrans/pay_bank', ({ fields }) => {
    for (const name of ['partner_trade_no', 'enc_bank_no', 'enc_true_name', 'bank_code', 'amount']) if (!fields[name]) return businessFailed('PARAM_ERROR', `参数错误:${name}`)
    const [bankNo, name] = [decrypt(fields.enc_bank_no), decrypt(fields.enc_true_name)]
    if (bankNo === undefined || name === undefined) return businessFailed('PARAM_ERROR', '解密失败，请使用RSA公钥加密')
    const amount = Number(fields.amount)
    if (!Number.isInteger(amount) || amount < 1) return businessFailed('PARAM_ERROR', '参数错误:amount')
    const before = transfers.get(fields.partner_trade_no as string)
    if (before && (before.amount !== amount || before.bank_no_md5 !== md5(bankNo))) return businessFailed('ORDERPAID', '订单号已存在，且请求参数不一致')
    const made = before ?? { partner_trade_no: fields.partner_trade_no as string, payment_no: `10000${state.random.digits(23)}`, bank_no_md5: md5(bankNo), true_name_md5: md5(name), bank_code: fields.bank_code as string, amount, fee: feeOf(amount), at: state.now() }
    if (!before) {
      if (amount + made.fee > state.balance) return businessFailed('NOTENOUGH', '付款帐号余额不足')
      state.balance -= amount + made.fee
      transfers.set(made.partner_trade_no, made)
    }
    return { result_code: 'SUCCESS', err_code: 'SUCCESS', err_code_des: '微信侧受理成功', mch_id: state.account.mchId, partner_trade_no: made.partner_trade_no, amount: made.amount, payment_no: made.payment_no, cmms_amt: made.fee }
  }, OLD)

  route('/mmpaysptrans/query_bank', ({ fields }) => {
    const found = transfers.get(fields.partner_trade_no ?? '')
    if (!found) return businessFailed('ORDERNOTEXIST', '订单不存在')
    const at = withSeparators(chinaTime(found.at))
    return { result_code: 'SUCCESS', err_code: 'SUCCESS', err_code_des: 'SUCCESS', mch_id: state.account.mchId, partner_trade_no: found.partner_trade_no, payment_no: found.payment_no, bank_no_md5: found.bank_no_md5, true_name_md5: found.true_name_md5, amount: found.amount, status: 'SUCCESS', cmms_amt: found.fee, create_time: at, pay_succ_time: at }
  }, OLD)
}
