/** /v3/merchant/fund: balances, and withdrawals to the merchant's bank account. */
import { gzipSync } from 'node:zlib'
import { chinaTime, rfc3339 } from '../../state/state.ts'
import { hashOf, notFound, parametersDiffer } from './area.ts'
import type { V3Area } from './area.ts'
import { invalid, text } from './shape.ts'
import type { Json } from './shape.ts'
import { refuse } from './wire.ts'

export interface Withdrawal {
  out_request_no: string
  withdraw_id: string
  amount: number
  remark: string
  bank_memo: string
  account_type: string
  status: 'CREATE_SUCCESS' | 'SUCCESS' | 'FAIL' | 'REFUND' | 'CLOSE' | 'INIT'
  reason: string
  /** `yyyyMMddHHmmss` in China. */
  at: string
  updated: string
}

const ACCOUNTS = ['BASIC', 'OPERATION', 'FEES']
/** How long a withdrawal takes, in seconds times `timeScale`. */
const DURATION = 3600

export function v3Funds ({ route, state, after, storeFile }: V3Area) {
  const withdrawals = state.memory.table<Withdrawal>('withdrawals')
  for (const withdrawal of withdrawals.values()) if (withdrawal.status === 'CREATE_SUCCESS') after(DURATION, () => settle(withdrawal, 'SUCCESS'))
  // All money here is on the basic account.
  const balance = (type: string | undefined) => ACCOUNTS.includes(type ?? '') ? { available_amount: type === 'BASIC' ? state.balance : 0, pending_amount: 0 } : refuse(400, 'PARAM_ERROR', '账户类型错误')

  route('GET', '/v3/merchant/fund/balance/:type', ({ params }) => balance(params.type))
  route('GET', '/v3/merchant/fund/dayendbalance/:type', ({ params, query }) =>
    /^\d{4}-\d\d-\d\d$/.test(query.date ?? '') && (query.date as string).replaceAll('-', '') < chinaTime(state.now()).slice(0, 8) ? balance(params.type) : refuse(400, 'PARAM_ERROR', '日期错误'), { query: ['date'] })

  route('POST', '/v3/merchant/fund/withdraw', ({ body }) => {
    const number = text(body.out_request_no)
    if (!/^[0-9A-Za-z]{1,32}$/.test(number)) return invalid('out_request_no')
    if (!ACCOUNTS.includes(text(body.account_type))) return invalid('account_type')
    if ((body.amount as number) < 1) return invalid('amount')
    const before = withdrawals.get(number)
    if (before) return before.amount === body.amount && before.account_type === body.account_type ? { withdraw_id: before.withdraw_id, out_request_no: number } : parametersDiffer()
    if (body.account_type !== 'BASIC' || (body.amount as number) > state.balance) return refuse(403, 'NOT_ENOUGH', '账户可用余额不足')
    state.balance -= body.amount as number
    const at = chinaTime(state.now())
    const withdrawal: Withdrawal = { out_request_no: number, withdraw_id: `12011${state.random.digits(25)}`, amount: body.amount as number, remark: text(body.remark), bank_memo: text(body.bank_memo), account_type: text(body.account_type), status: 'CREATE_SUCCESS', reason: '', at, updated: at }
    withdrawals.set(number, withdrawal)
    after(DURATION, () => settle(withdrawal, 'SUCCESS'))
    return { withdraw_id: withdrawal.withdraw_id, out_request_no: number }
  }, { body: ['out_request_no!', 'amount!#', 'remark', 'bank_memo', 'account_type!', 'notify_url'] })

  function settle (withdrawal: Withdrawal, status: 'SUCCESS' | 'FAIL' | 'REFUND' | 'CLOSE', reason = ''): boolean {
    const isOver = withdrawal.status !== 'CREATE_SUCCESS' && withdrawal.status !== 'INIT'
    // A bank can return the money after a success.
    if (isOver && !(withdrawal.status === 'SUCCESS' && status === 'REFUND')) return false
    withdrawal.status = status
    withdrawal.reason = reason
    withdrawal.updated = chinaTime(state.now())
    if (status !== 'SUCCESS') state.balance += withdrawal.amount
    return true
  }

  const json = (it: Withdrawal): Json => ({ status: it.status, withdraw_id: it.withdraw_id, out_request_no: it.out_request_no, amount: it.amount, create_time: rfc3339(it.at), update_time: rfc3339(it.updated), reason: it.reason, remark: it.remark, bank_memo: it.bank_memo, account_type: it.account_type, solution: it.reason && '请更换银行卡后重新提现' })

  route('GET', '/v3/merchant/fund/withdraw/out-request-no/:number', ({ params }) => {
    const found = withdrawals.get(params.number as string)
    return found ? json(found) : notFound('提现单不存在')
  })
  route('GET', '/v3/merchant/fund/withdraw/withdraw-id/:id', ({ params }) => {
    const found = [...withdrawals.values()].find(({ withdraw_id: id }) => id === params.id)
    return found ? json(found) : notFound('提现单不存在')
  })

  // Withdrawals that the bank refused or returned.
  route('GET', '/v3/merchant/fund/withdraw/bill-type/:type', ({ params, query, request }) => {
    if (params.type !== 'NO_SUCC') return refuse(400, 'PARAM_ERROR', '账单类型错误')
    const day = (query.bill_date ?? '').replaceAll('-', '')
    const failed = [...withdrawals.values()].filter(({ status, updated }) => (status === 'FAIL' || status === 'REFUND') && updated.startsWith(day))
    if (failed.length === 0) return refuse(400, 'NO_STATEMENT_EXIST', '请求的账单文件不存在')
    const rows = failed.map(it => [it.at, state.account.mchId, it.withdraw_id, it.out_request_no, (it.amount / 100).toFixed(2), it.status, it.reason].map(cell => `\`${cell}`).join(','))
    const file = `提现发起时间,商户号,微信支付提现单号,商户提现单号,提现金额,提现状态,失败原因\r\n${rows.join('\r\n')}\r\n`
    return { hash_type: 'SHA1', hash_value: hashOf('sha1', file), download_url: `${request.protocol}://${request.host}${request.server.prefix}/v3/billdownload/file?token=${storeFile(query.tar_type === 'GZIP' ? gzipSync(file) : file)}` }
  }, { query: ['bill_date'] })

  return {
    /** Settles a withdrawal. Undefined if it does not exist or cannot take this state. */
    settle: (number: string, status: 'SUCCESS' | 'FAIL' | 'REFUND' | 'CLOSE', reason?: string): Json | undefined => {
      const found = withdrawals.get(number)
      return found && settle(found, status, reason) ? json(found) : undefined
    },
    list: () => [...withdrawals.values()].reverse()
  }
}
