/** Transfers to a QQ wallet. */
import { notFound } from '../area.ts'
import type { V3Area } from '../area.ts'
import { BASE, BILL, isBill } from './bills.ts'
import type { TransferBill, TransferBills } from './bills.ts'
import { invalid, text } from '../shape.ts'

export function qqTransfers ({ route }: V3Area, bills: TransferBills): void {
  const { make, fullJson, cancelled } = bills
  const qq = `${BASE}/transfer-to-qq-wallet-bills`
  route('POST', qq, ({ body }) => {
    if (body.transfer_scene_id !== '1401') return invalid('transfer_scene_id')
    const bill = make(body, text(body.openid), { kind: 'qq' })
    return isBill(bill) ? fullJson(bill, 'mchid') : bill
  }, { body: [...BILL, 'openid!', 'user_qq'], encrypted: ['user_name'] })
  route('GET', `${qq}/:number`, ({ params }) => {
    const bill = bills.findQq(params.number as string)
    return bill ? fullJson(bill, 'mchid') : notFound('单据不存在')
  })
  route('POST', `${qq}/:number/cancel`, ({ params }) => {
    const bill = bills.findQq(params.number as string)
    return cancelled(bill) ?? fullJson(bill as TransferBill, 'mchid')
  })
}
