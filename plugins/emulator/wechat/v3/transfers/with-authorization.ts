/** Transfers that use a receiver's authorization, or ask for one. */
import { BILL, isBill } from './bills.ts'
import type { TransferBill, TransferBills } from './bills.ts'
import { isAuthorization } from './authorizations.ts'
import type { Authorizations } from './authorizations.ts'
import { object, text } from '../shape.ts'
import type { Json } from '../shape.ts'
import { refuse } from '../wire.ts'
import type { V3Error } from '../wire.ts'

export const WITH_AUTHORIZATION = [...BILL, 'openid!', 'authorization_info/user_display_name!', 'authorization_info/out_authorization_no!', 'authorization_info/authorization_notify_url!', 'sponsor_mchid']

export function createWithAuthorization (bills: TransferBills, authorizations: Authorizations) {
  /** Pays an authorized receiver immediately. */
  function paidByAuthorization (body: Json, more: Partial<TransferBill> = {}): TransferBill | V3Error {
    const authorization = body.out_authorization_no !== undefined ? authorizations.find(text(body.out_authorization_no)) : authorizations.byWechatNumber(body.authorization_id)
    if (authorization?.state !== 'TAKING_EFFECT') return refuse(400, 'INVALID_REQUEST', '用户未授权或授权已失效', 268435461)
    const isNew = bills.find(text(body.out_bill_no), more.sub_mch_id) === undefined
    const bill = bills.make(body, authorization.openid, { ...more, state: 'PROCESSING', authorization: authorization.out_authorization_no })
    if (isBill(bill) && isNew) bills.move(bill, 'SUCCESS')
    return bill
  }

  /** A transfer to confirm that also asks for an authorization of later ones. */
  function withAuthorization (body: Json, more: Partial<TransferBill> = {}): TransferBill | V3Error {
    const info = object(body.authorization_info)
    const authorization = body.authorization_info === undefined ? undefined : authorizations.authorize({ ...info, appid: body.appid, openid: body.openid, transfer_scene_id: body.transfer_scene_id })
    if (authorization && !isAuthorization(authorization)) return authorization
    return bills.make(body, text(body.openid), { ...more, authorization: text(info.out_authorization_no) })
  }

  return { paidByAuthorization, withAuthorization }
}

export type WithAuthorization = ReturnType<typeof createWithAuthorization>
