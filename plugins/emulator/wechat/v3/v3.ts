/** api.mch.weixin.qq.com, APIv3: all of its calls. */
import type { FastifyInstance } from 'fastify'
import type { PayV2 } from '../v2/v2.ts'
import type { Order, World } from '../../state/world.ts'
import { v3Bills } from './bills.ts'
import { v3Certificates } from './certificates.ts'
import { v3Codepay } from './codepay.ts'
import { v3Gate } from './gate.ts'
import type { V3Keys } from '../../keys/v3-keys.ts'
import { v3Orders } from './orders.ts'
import { v3Payouts } from './payouts.ts'
import { v3Refunds } from './refunds.ts'
import { v3SealedBill } from './sealed-bill.ts'

/** `combinedPaid`: is told of orders that were paid together. */
export function payV3 (app: FastifyInstance, world: World, keys: V3Keys, { orders, refunds }: PayV2, combinedPaid: (orders: Order[]) => void) {
  const route = v3Gate(app, world, keys)
  const combined = v3Orders(route, world, orders, combinedPaid)
  v3Codepay(route, world, keys, orders, refunds)
  v3Refunds(route, world, orders, refunds)
  v3Bills(route, world)
  v3SealedBill(route, world, keys)
  v3Certificates(route, world, keys)
  const payouts = v3Payouts(route, world, keys, orders)
  return { combined, payouts }
}

export type PayV3 = ReturnType<typeof payV3>
