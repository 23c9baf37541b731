/** api.mch.weixin.qq.com, v2: all of its calls. */
import type { FastifyInstance } from 'fastify'
import type { Timers } from '../../state/timers.ts'
import type { Refund, World } from '../../state/state.ts'
import { createSharing } from '../sharing.ts'
import type { SharingParts } from '../sharing.ts'
import { v2Bank } from './bank.ts'
import type { BankParts } from './bank.ts'
import { v2Bills } from './bills.ts'
import { v2Contracts } from './contracts.ts'
import type { ContractParts } from './contracts.ts'
import { v2Gate } from './check-request.ts'
import { v2Micropay } from './micropay.ts'
import { v2Orders } from './orders.ts'
import { v2Payouts } from './payouts.ts'
import { v2ProfitSharing } from './profit-sharing.ts'
import { v2Refunds } from './refunds.ts'
import { v2Tools } from './tools.ts'

export interface V2Parts {
  origin (): string
  refundSettled (refund: Refund): void
  /** Whether the merchant's own key signed this text. */
  verifyRsa (text: string, signature: string): boolean
  after: Timers['after']
  /** Of profit sharing. */
  contracts: ContractParts
  bank: BankParts
  notices: Pick<SharingParts, 'shared' | 'takenBack'>
}

export function payV2 (app: FastifyInstance, world: World, { origin, refundSettled, verifyRsa, after, notices, contracts, bank }: V2Parts) {
  const route = v2Gate(app, world)
  const orders = v2Orders(route, world, origin, verifyRsa)
  const refunds = v2Refunds(route, world, orders, refundSettled)
  const byCode = v2Micropay(route, world, orders, refunds)
  v2Bills(route, world)
  v2Payouts(route, world)
  v2Contracts(route, world, orders, orders.unified, contracts)
  v2Bank(route, world, bank)
  const sharing = createSharing(world, { orders, refunds, after, ...notices })
  v2ProfitSharing(route, world, orders, sharing)
  v2Tools(app, route, world, { ...byCode, query: orders.query })
  return { orders, refunds, sharing }
}

export type PayV2 = ReturnType<typeof payV2>
