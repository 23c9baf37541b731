/** Transfers of a provider for its sub-merchants. */
import { chinaTime, rfc3339 } from '../../../state/state.ts'
import { isOurs, notFound } from '../area.ts'
import type { V3Area } from '../area.ts'
import { BASE, BILL, isBill } from './bills.ts'
import type { TransferBill, TransferBills } from './bills.ts'
import { WITH_AUTHORIZATION } from './with-authorization.ts'
import type { WithAuthorization } from './with-authorization.ts'
import { text } from '../shape.ts'
import type { Json } from '../shape.ts'
import { refuse } from '../wire.ts'

export function partnerTransfers ({ route, state }: V3Area, bills: TransferBills, { paidByAuthorization, withAuthorization }: WithAuthorization): void {
  const { make, fullJson, cancelled, cancelJson } = bills
  const partner = `${BASE}/partner`
  const notAuthorized = (sub: unknown) => isOurs(state, sub) ? undefined : refuse(403, 'NO_AUTH', '服务商与特约商户没有授权关系', 268435461)
  const ofSub = (sub: unknown) => ({ sub_mch_id: text(sub) })
  const partnerCreated = (bill: TransferBill): Json => ({ sub_mchid: bill.sub_mch_id, out_bill_no: bill.out_bill_no, transfer_bill_no: bill.transfer_bill_no, create_time: rfc3339(bill.at), package_info: bill.package_info })

  route('POST', `${partner}/transfer-bills`, ({ body }) => {
    const bill = notAuthorized(body.sub_mchid) ?? make(body, text(body.openid), ofSub(body.sub_mchid))
    return isBill(bill) ? partnerCreated(bill) : bill
  }, { body: ['sub_mchid!', ...BILL, 'openid!'], encrypted: ['user_name'] })
  route('POST', `${partner}/transfer-bills/pre-transfer-with-authorization`, ({ body }) => {
    const bill = notAuthorized(body.sub_mchid) ?? withAuthorization(body, ofSub(body.sub_mchid))
    return isBill(bill) ? partnerCreated(bill) : bill
  }, { body: ['sub_mchid!', ...WITH_AUTHORIZATION], encrypted: ['user_name'] })
  route('POST', `${partner}/transfer-bills/transfer`, ({ body }) => {
    const bill = notAuthorized(body.sub_mchid) ?? paidByAuthorization(body, ofSub(body.sub_mchid))
    return isBill(bill) ? fullJson(bill, 'mchid') : bill
  }, { body: ['sub_mchid!', ...BILL, 'authorization_id!'], encrypted: ['user_name'] })
  route('GET', `${partner}/transfer-bills/out-bill-no/:number`, ({ params, query }) => {
    const bill = bills.find(params.number as string, query.sub_mchid)
    return bill ? fullJson(bill, 'mchid') : notFound('单据不存在')
  }, { query: ['sub_mchid'] })
  route('POST', `${partner}/transfer-bills/out-bill-no/:number/cancel`, ({ params, body }) => {
    const bill = bills.find(params.number as string, text(body.sub_mchid))
    return cancelled(bill) ?? { sub_mchid: body.sub_mchid, ...cancelJson(bill as TransferBill) }
  }, { body: ['sub_mchid!'] })

  // A sub-merchant authorizes its provider; the emulator approves immediately.
  const applications = state.memory.table<{ out_apply_no: string, at: string }>('transferApplications')
  const applicationJson = (sub: string, { out_apply_no: number, at }: { out_apply_no: string, at: string }): Json => ({ sub_mchid: sub, out_apply_no: number, state: 'PASSED', accept_time: rfc3339(at), update_time: rfc3339(at) })
  route('POST', `${partner}/sub-mch-authorizations`, ({ body }) => {
    const sub = text(body.sub_mchid)
    const wrong = notAuthorized(sub)
    if (wrong) return wrong
    const made = applications.get(sub) ?? { out_apply_no: text(body.out_apply_no), at: chinaTime(state.now()) }
    applications.set(sub, made)
    return applicationJson(sub, made)
  }, { body: ['sub_mchid!', 'out_apply_no!'] })
  route('GET', `${partner}/sub-mch-authorizations/:sub`, ({ params }) => {
    const sub = params.sub as string
    const made = applications.get(sub)
    return notAuthorized(sub) ?? (made ? { sub_mchid: sub, state: 'AUTHORIZED', apply_order: applicationJson(sub, made), authorization_time: rfc3339(made.at) } : { sub_mchid: sub, state: 'UNAUTHORIZED' })
  })
}
