/** /v3/fund-app/mch-transfer: transfers confirmed or pre-authorized by the receiver, a provider's transfers, transfers to a QQ wallet, receipts. */
import { notFound } from '../area.ts'
import type { V3Area } from '../area.ts'
import { createAuthorizations } from './authorizations.ts'
import { BASE, BILL, createTransferBills, isBill } from './bills.ts'
import type { TransferBill } from './bills.ts'
import { partnerTransfers } from './partner.ts'
import { qqTransfers } from './qq.ts'
import { transferReceipts } from './receipts.ts'
import { object, text } from '../shape.ts'
import type { Json } from '../shape.ts'
import { createWithAuthorization, WITH_AUTHORIZATION } from './with-authorization.ts'

export function v3Transfers (area: V3Area) {
  const { route } = area
  const bills = createTransferBills(area)
  const { make, created, fullJson, cancelled, cancelJson } = bills
  const own = `${BASE}/transfer-bills`

  route('POST', own, ({ body }) => {
    const bill = make(body, text(body.openid))
    return isBill(bill) ? created(bill) : bill
  }, { body: [...BILL, 'openid!'], encrypted: ['user_name'] })

  route('GET', `${own}/out-bill-no/:number`, ({ params }) => {
    const bill = bills.find(params.number as string)
    return bill ? fullJson(bill) : notFound('单据不存在')
  })
  route('GET', `${own}/transfer-bill-no/:number`, ({ params }) => {
    const bill = bills.byWechatNumber(params.number as string)
    return bill?.sub_mch_id === '' ? fullJson(bill) : notFound('单据不存在')
  })
  // A POST without a body.
  route('POST', `${own}/out-bill-no/:number/cancel`, ({ params }) => {
    const bill = bills.find(params.number as string)
    return cancelled(bill) ?? cancelJson(bill as TransferBill)
  })

  const authorizations = createAuthorizations(area)
  const authorized = createWithAuthorization(bills, authorizations)
  const { paidByAuthorization, withAuthorization } = authorized

  route('POST', `${own}/pre-transfer-with-authorization`, ({ body }) => {
    const bill = withAuthorization(body)
    if (!isBill(bill)) return bill
    return { ...created(bill), ...(bill.authorization && { user_display_name: object(body.authorization_info).user_display_name, out_authorization_no: bill.authorization }) }
  }, { body: WITH_AUTHORIZATION, encrypted: ['user_name'] })

  route('POST', `${own}/transfer`, ({ body }) => {
    const bill = paidByAuthorization(body)
    return isBill(bill) ? fullJson(bill) : bill
  }, { body: [...BILL, 'authorization_id', 'sponsor_mchid', 'out_authorization_no'], encrypted: ['user_name'] })

  partnerTransfers(area, bills, authorized)
  qqTransfers(area, bills)
  const receipt = transferReceipts(area, bills)
  const find = (number: string, subMchId = '') => bills.find(number, subMchId) ?? bills.findQq(number)

  return {
    /** Newest first. */
    list: bills.list,
    find,
    byWechatNumber: bills.byWechatNumber,
    findByPackage: (info: string) => bills.list().find(bill => bill.package_info === info),
    move: bills.move,
    /** The receiver confirms, which also grants an authorization requested with the transfer. Undefined if there is nothing to confirm. */
    confirm (number: string, subMchId = ''): TransferBill | undefined {
      const bill = find(number, subMchId)
      if (bill?.state !== 'WAIT_USER_CONFIRM') return undefined
      const authorization = authorizations.find(bill.authorization)
      if (authorization) authorizations.move(authorization, 'TAKING_EFFECT')
      bills.move(bill, 'SUCCESS')
      return bill
    },
    /** The receiver grants or ends an authorization. */
    authorize (number: string, to: 'TAKING_EFFECT' | 'CLOSED'): Json | undefined {
      const authorization = authorizations.find(number)
      return authorization && authorizations.move(authorization, to) ? authorizations.toJson(authorization) : undefined
    },
    receipt
  }
}

export type Transfers = ReturnType<typeof v3Transfers>
