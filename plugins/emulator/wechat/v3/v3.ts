/** All APIv3 calls of api.mch.weixin.qq.com. */
import { constants, publicEncrypt } from 'node:crypto'
import type { V3Keys } from '../../keys/v3-keys.ts'
import type { Timers } from '../../state/timers.ts'
import type { Order, State } from '../../state/state.ts'
import type { PayV2 } from '../v2/v2.ts'
import { createFiles, sensitiveReader } from './area.ts'
import type { V3Area, V3Event } from './area.ts'
import { v3Batches } from './batches.ts'
import { v3Bills } from './bills.ts'
import { v3Certificates } from './certificates.ts'
import { v3Codepay } from './codepay.ts'
import { v3Complaints } from './complaints.ts'
import { v3Ecommerce } from './ecommerce.ts'
import { v3Funds } from './funds.ts'
import { v3Register } from './check-request.ts'
import { v3Media } from './media.ts'
import { v3Orders } from './orders.ts'
import { v3Payscore } from './payscore.ts'
import { v3ProfitSharing } from './profit-sharing.ts'
import { v3Refunds } from './refunds.ts'
import { v3Transfers } from './transfers/transfers.ts'
import type { Routes } from '../routes.ts'

export interface V3Parts {
  /** The emulator's origin, for the URLs it returns. */
  origin (): string
  /** Called when a combined order was paid. */
  combinedPaid (orders: Order[]): void
  sendEvent (event: V3Event): void
  after: Timers['after']
}

export function payV3 (app: Routes, state: State, keys: V3Keys, { orders, refunds, sharing }: PayV2, { origin, combinedPaid, sendEvent, after }: V3Parts) {
  const route = v3Register(app, state, keys)
  const area: V3Area = { route, state, orders, refunds, after, sendEvent, decrypt: sensitiveReader(state, keys), ...createFiles(state) }
  const encrypt = (text: string) => publicEncrypt({ key: keys.merchant.cert, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' }, Buffer.from(text)).toString('base64')
  const combined = v3Orders(route, state, orders, origin, combinedPaid)
  v3Codepay(route, state, orders, refunds)
  v3Refunds(route, state, orders, refunds)
  v3Bills(area, encrypt)
  v3Certificates(route, state, keys)
  v3ProfitSharing(area, sharing)
  v3Ecommerce(area, sharing)
  v3Media(area)
  return {
    combined,
    transfers: v3Transfers(area),
    batches: v3Batches(area),
    complaints: v3Complaints(area, encrypt),
    funds: v3Funds(area),
    payscore: v3Payscore(area)
  }
}

export type PayV3 = ReturnType<typeof payV3>
