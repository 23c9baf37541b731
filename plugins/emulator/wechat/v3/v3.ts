/** api.mch.weixin.qq.com, APIv3: all of its calls. */
import type { FastifyInstance } from 'fastify'
import type { PayV2 } from '../v2/v2.ts'
import type { Order, World } from '../../state/world.ts'
import { v3Bills } from './bills.ts'
import { v3Certificates } from './certificates.ts'
import { v3Gate } from './gate.ts'
import type { V3Keys } from '../../keys/v3-keys.ts'
import { v3Orders } from './orders.ts'
import { v3Payouts } from './payouts.ts'
import { v3Refunds } from './refunds.ts'

export interface V3Parts {
  /** Where this emulator is reached, for the addresses it hands out. */
  origin (): string
  /** Is told of orders that were paid together. */
  combinedPaid (orders: Order[]): void
}

export function payV3 (app: FastifyInstance, world: World, keys: V3Keys, { orders, refunds }: PayV2, { origin, combinedPaid }: V3Parts) {
  const route = v3Gate(app, world, keys)
  const combined = v3Orders(route, world, orders, origin, combinedPaid)
  v3Refunds(route, world, orders, refunds)
  v3Bills(route, world)
  v3Certificates(route, world, keys)
  const payouts = v3Payouts(route, world, keys, orders)
  return { combined, payouts }
}

export type PayV3 = ReturnType<typeof payV3>
