/** Contract payments: the payer agrees to a contract with an order (contractorder); later charges need no confirmation (pappayapply). */
import { businessFailed, callFailed } from '../wire.ts'
import type { Values } from '../wire.ts'
import { chinaTime } from '../../state/state.ts'
import type { Order, State } from '../../state/state.ts'
import type { V2Register, V2Handler, V2Request } from './check-request.ts'
import type { V2Orders } from './orders.ts'
import { orderFields } from './orders.ts'
import { withSeparators } from './refunds.ts'

export interface Contract {
  contract_id: string
  contract_code: string
  plan_id: string
  request_serial: string
  display_account: string
  notify_url: string
  openid: string
  /** orderKey of the order placed with it. */
  out_trade_no: string
  sub_mch_id: string
  state: 'WAITING' | 'SIGNED' | 'TERMINATED'
}

export interface ContractParts {
  /** Notifies the merchant of a new contract; signed like an answer. */
  contractSigned (contract: Contract, values: Values): void
  paid (order: Order): void
}

export function v2Contracts (route: V2Register, state: State, orders: V2Orders, placed: (call: V2Request) => Values, { contractSigned, paid }: ContractParts): void {
  const contracts = state.memory.table<Contract>('contracts')
  const ofContract = (id: string | undefined) => [...contracts.values()].find(({ contract_id: known }) => known === id)

  route('/pay/contractorder', call => {
    const { fields, sub } = call
    for (const name of ['contract_mchid', 'contract_appid', 'plan_id', 'contract_code', 'request_serial', 'contract_display_account', 'contract_notify_url']) {
      if (!fields[name]) return businessFailed('LACK_PARAMS', `缺少参数${name}`)
    }
    const known = contracts.get(fields.contract_code as string)
    if (known && known.out_trade_no !== fields.out_trade_no) return businessFailed('CONTRACT_EXISTED', '签约协议号重复')
    const answer = placed(call)
    if (answer.result_code !== 'SUCCESS') return answer
    const contract = known ?? {
      contract_id: `20${state.random.digits(26)}`,
      contract_code: fields.contract_code as string,
      plan_id: fields.plan_id as string,
      request_serial: fields.request_serial as string,
      display_account: fields.contract_display_account as string,
      notify_url: fields.contract_notify_url as string,
      openid: '',
      out_trade_no: fields.out_trade_no as string,
      sub_mch_id: sub.sub_mch_id,
      state: 'WAITING' as const
    }
    contracts.set(contract.contract_code, contract)
    return { ...answer, contract_result_code: 'SUCCESS', plan_id: contract.plan_id, request_serial: contract.request_serial, contract_code: contract.contract_code, contract_display_account: contract.display_account, out_trade_no: contract.out_trade_no }
  })

  // Paying the order accepts the contract.
  orders.onPaid(order => {
    for (const contract of contracts.values()) {
      if (contract.state !== 'WAITING' || contract.out_trade_no !== order.out_trade_no || contract.sub_mch_id !== order.sub_mch_id) continue
      contract.state = 'SIGNED'
      contract.openid = order.openid
      contractSigned(contract, { result_code: 'SUCCESS', contract_code: contract.contract_code, plan_id: contract.plan_id, openid: contract.openid, change_type: 'ADD', operate_time: withSeparators(chinaTime(state.now())), contract_id: contract.contract_id, request_serial: contract.request_serial })
    }
  })

  const apply: V2Handler = ({ fields, signType, sub }) => {
    for (const name of ['body', 'out_trade_no', 'total_fee', 'spbill_create_ip', 'notify_url', 'trade_type', 'contract_id']) if (!fields[name]) return businessFailed('LACK_PARAMS', `缺少参数${name}`)
    if (fields.trade_type !== 'PAP') return callFailed('trade_type参数错误')
    const contract = ofContract(fields.contract_id)
    if (contract?.state !== 'SIGNED') return businessFailed('CONTRACT_NOT_EXIST', '签约协议不存在')
    const problem = orders.paramProblem(fields)
    if (problem) return problem
    const known = orders.find(fields.out_trade_no, sub.sub_mch_id)
    if (known) return orders.endProblem(known) ?? businessFailed('INVALID_REQUEST', '201 商户订单号重复')
    const order = orders.add({ ...orderFields(fields), ...sub, out_trade_no: fields.out_trade_no as string, trade_type: 'PAP', sign_type: signType, openid: contract.openid, notify_url: fields.notify_url as string }, 'charged by contract')
    // The charge is asynchronous: the answer only confirms receipt.
    setImmediate(() => { if (orders.pay(order)) paid(order) })
    return { result_code: 'SUCCESS' }
  }
  for (const path of ['/pay/pappayapply', '/pay/partner/pappayapply']) route(path, apply)
  for (const path of ['/pay/paporderquery', '/pay/partner/paporderquery']) route(path, orders.query)
}
