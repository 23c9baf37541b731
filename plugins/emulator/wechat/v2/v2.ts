/** All v2 calls of api.mch.weixin.qq.com. */
import type { Timers } from '../../state/timers.ts'
import type { Refund, State } from '../../state/state.ts'
import { createSharing } from '../sharing.ts'
import type { SharingParts } from '../sharing.ts'
import { v2Bank } from './bank.ts'
import type { BankParts } from './bank.ts'
import { v2Bills } from './bills.ts'
import { v2Contracts } from './contracts.ts'
import type { ContractParts } from './contracts.ts'
import { v2Register } from './check-request.ts'
import { v2Micropay } from './micropay.ts'
import { v2Orders } from './orders.ts'
import { v2Payouts } from './payouts.ts'
import { v2ProfitSharing } from './profit-sharing.ts'
import { v2Refunds } from './refunds.ts'
import { v2Tools } from './tools.ts'
import type { Routes } from '../routes.ts'

export interface V2Parts {
  origin (): string
  refundSettled (refund: Refund): void
  /** Whether the merchant's private key signed this text. */
  verifyRsa (text: string, signature: string): boolean
  after: Timers['after']
  contracts: ContractParts
  bank: BankParts
  /** For profit sharing. */
  notices: Pick<SharingParts, 'shared' | 'takenBack'>
}

export function payV2 (app: Routes, state: State, { origin, refundSettled, verifyRsa, after, notices, contracts, bank }: V2Parts) {
  const route = v2Register(app, state)
  const orders = v2Orders(route, state, origin, verifyRsa)
  const refunds = v2Refunds(route, state, orders, refundSettled)
  const byCode = v2Micropay(route, state, orders, refunds)
  v2Bills(route, state)
  v2Payouts(route, state)
  v2Contracts(route, state, orders, orders.unified, contracts)
  v2Bank(route, state, bank)
  const sharing = createSharing(state, { orders, refunds, after, ...notices })
  v2ProfitSharing(route, state, orders, sharing)
  v2Tools(app, route, state, { ...byCode, query: orders.query })
  return { orders, refunds, sharing }
}

export type PayV2 = ReturnType<typeof payV2>
