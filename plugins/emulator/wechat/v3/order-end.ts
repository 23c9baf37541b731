import type { Order } from '../../state/state.ts'
import { refuse } from './wire.ts'
import type { V3Error } from './wire.ts'

/** Why an order can no longer be paid. */
export function businessEnd (order: Order): V3Error | undefined {
  if (order.trade_state === 'SUCCESS' || order.trade_state === 'REFUND') return refuse(400, 'ORDERPAID', '该订单已支付', 268449538)
  if (order.trade_state === 'CLOSED') return refuse(400, 'ORDER_CLOSED', '该订单已关闭', 268447914)
  if (order.trade_state === 'REVOKED') return refuse(400, 'ORDER_REVERSED', '该订单已撤销', 268447914)
}
