/** Transfers to users, which the receiver confirms, and profit sharing; uploads of pictures. */
import { constants, createHash, privateDecrypt } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { V2Orders } from '../v2/orders.ts'
import { chinaTime, openidProblem, rfc3339 } from '../../state/world.ts'
import type { World } from '../../state/world.ts'
import type { Json, V3Gate } from './gate.ts'
import type { V3Keys } from '../../keys/v3-keys.ts'
import { refuse } from './wire.ts'

export interface TransferBill {
  out_bill_no: string
  transfer_bill_no: string
  openid: string
  user_name: string
  amount: number
  remark: string
  notify_url: string
  state: 'WAIT_USER_CONFIRM' | 'SUCCESS' | 'CANCELLED'
  at: string
}

const text = (value: unknown) => typeof value === 'string' ? value : ''

export function v3Payouts (route: V3Gate, world: World, keys: V3Keys, orders: V2Orders) {
  const bills = world.memory.table<TransferBill>('transferBills')

  /** What was encrypted for one of WeChat's keys; undefined if it was not. */
  function opened (value: unknown): string | undefined {
    const candidates: KeyObject[] = [keys.wechat.key, ...world.keyMode === 'public-key' ? [] : keys.platform().map(({ key }) => key)]
    for (const key of candidates) {
      try {
        return privateDecrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' }, Buffer.from(text(value), 'base64')).toString()
      } catch { /* not for this one */ }
    }
  }

  const base = '/v3/fund-app/mch-transfer/transfer-bills'

  route('POST', base, ({ body }) => {
    const { out_bill_no: number, openid, transfer_amount: amount, appid } = body
    if (appid !== world.account.appId) return refuse(400, 'APPID_MCHID_NOT_MATCH', 'appid和mch_id不匹配', 268445527)
    if (!/^[0-9A-Za-z]{5,32}$/.test(text(number))) return refuse(400, 'PARAM_ERROR', '参数错误：out_bill_no', 268435464)
    if (!Number.isInteger(amount) || (amount as number) < 1) return refuse(400, 'PARAM_ERROR', '参数错误：transfer_amount', 268435464)
    if (!Array.isArray(body.transfer_scene_report_infos) || body.transfer_scene_report_infos.length === 0) return refuse(400, 'PARAM_ERROR', '参数错误：transfer_scene_report_infos', 268435461)
    if (openidProblem(world, text(openid))) return refuse(400, 'PARAM_ERROR', 'openid与appid不匹配', 268445527)
    const name = body.user_name === undefined ? '' : opened(body.user_name)
    if (name === undefined) return refuse(400, 'PARAM_ERROR', '敏感信息解密失败', 268435461)
    if ((amount as number) >= 200_000 && name === '') return refuse(400, 'PARAM_ERROR', '转账金额达到2000元，必须填写收款用户姓名', 268435461)
    const before = bills.get(text(number))
    if (before) return before.amount === amount && before.openid === openid ? billJson(before) : refuse(400, 'ALREADY_EXISTS', '商户单号已存在，且参数与首次请求时不一致', 268498688)
    if ((amount as number) > world.balance) return refuse(403, 'NOT_ENOUGH', '账户余额不足', 268435461)
    world.balance -= amount as number
    const bill: TransferBill = { out_bill_no: text(number), transfer_bill_no: `13300${world.random.digits(25)}`, openid: text(openid), user_name: name, amount: amount as number, remark: text(body.transfer_remark), notify_url: text(body.notify_url), state: 'WAIT_USER_CONFIRM', at: chinaTime(world.now()) }
    bills.set(bill.out_bill_no, bill)
    return billJson(bill)
  }, { body: ['appid', 'out_bill_no', 'transfer_scene_id', 'openid', 'user_name', 'transfer_amount', 'transfer_remark', 'notify_url', 'user_recv_perception', 'transfer_scene_report_infos'], encrypted: ['user_name'] })

  route('GET', `${base}/out-bill-no/:number`, ({ params }) => {
    const bill = bills.get(params.number as string)
    return bill ? { mch_id: world.account.mchId, appid: world.account.appId, openid: bill.openid, transfer_amount: bill.amount, transfer_remark: bill.remark, ...billJson(bill) } : refuse(404, 'NOT_FOUND', '单据不存在', 268435461)
  })

  route('POST', `${base}/out-bill-no/:number/cancel`, ({ params }) => {
    const bill = bills.get(params.number as string)
    if (!bill) return refuse(404, 'NOT_FOUND', '单据不存在', 268435461)
    if (bill.state === 'SUCCESS') return refuse(400, 'INVALID_REQUEST', '单据状态不允许撤销', 268435461)
    if (bill.state !== 'CANCELLED') world.balance += bill.amount
    bill.state = 'CANCELLED'
    return billJson(bill)
  })

  function billJson (bill: TransferBill): Json {
    return {
      out_bill_no: bill.out_bill_no,
      transfer_bill_no: bill.transfer_bill_no,
      create_time: rfc3339(bill.at),
      state: bill.state,
      ...(bill.state === 'WAIT_USER_CONFIRM' && { package_info: `affffddafdfafddffda==${world.random.hex(8)}` })
    }
  }

  const receivers = world.memory.table<true>('receivers')
  const shares = world.memory.table<{ transaction_id: string, receivers: Json[], finished: boolean }>('shares')

  route('POST', '/v3/profitsharing/receivers/add', ({ body }) => {
    if (body.name !== undefined && opened(body.name) === undefined) return refuse(400, 'PARAM_ERROR', '敏感信息解密失败', 268435461)
    receivers.set(text(body.account), true)
    return { type: body.type, account: body.account, relation_type: body.relation_type }
  }, { body: ['sub_mchid', 'appid', 'sub_appid', 'type', 'account', 'name', 'relation_type', 'custom_relation'], encrypted: ['name'] })

  route('POST', '/v3/profitsharing/receivers/delete', ({ body }) => {
    receivers.delete(text(body.account))
    return { type: body.type, account: body.account }
  }, { body: ['sub_mchid', 'appid', 'sub_appid', 'type', 'account'] })

  route('POST', '/v3/profitsharing/orders', ({ body }) => {
    const order = orders.named({ transaction_id: text(body.transaction_id) }, text(body.sub_mchid))
    if (!order) return refuse(404, 'RESOURCE_NOT_EXISTS', '订单不存在', 268512771)
    if (!order.profit_sharing) return refuse(403, 'NO_AUTH', '非分账订单不支持分账', 268435461)
    const list = (Array.isArray(body.receivers) ? body.receivers : []) as Array<{ account: string, amount: number }>
    if (list.some(({ account }) => !receivers.has(account))) return refuse(403, 'NO_AUTH', '分账接收方不存在', 268435461)
    if (list.reduce((sum, { amount }) => sum + amount, 0) > order.total_fee * 0.3) return refuse(403, 'RULE_LIMIT', '分账金额超过最大可分账比例', 268435461)
    const share = { transaction_id: order.transaction_id, receivers: list as unknown as Json[], finished: body.unfreeze_unsplit === true }
    shares.set(text(body.out_order_no), share)
    orders.note(order, 'profit shared')
    return shareJson(text(body.out_order_no), share)
  }, { body: ['sub_mchid', 'appid', 'sub_appid', 'transaction_id', 'out_order_no', 'receivers', 'unfreeze_unsplit', 'notify_url'] })

  route('GET', '/v3/profitsharing/orders/:number', ({ params, query }) => {
    const share = shares.get(params.number as string)
    return share?.transaction_id === query.transaction_id ? shareJson(params.number as string, share as NonNullable<typeof share>) : refuse(404, 'RESOURCE_NOT_EXISTS', '记录不存在', 268512771)
  })

  route('POST', '/v3/profitsharing/orders/unfreeze', ({ body }) => {
    const share = { transaction_id: text(body.transaction_id), receivers: [], finished: true }
    shares.set(text(body.out_order_no), share)
    return shareJson(text(body.out_order_no), share)
  }, { body: ['sub_mchid', 'transaction_id', 'out_order_no', 'description', 'notify_url'] })

  route('POST', '/v3/profitsharing/return-orders', ({ body }) => shares.has(text(body.out_order_no))
    ? { out_order_no: body.out_order_no, out_return_no: body.out_return_no, return_mchid: body.return_mchid, amount: body.amount, result: 'SUCCESS' }
    : refuse(404, 'RESOURCE_NOT_EXISTS', '记录不存在', 268512771)
  , { body: ['sub_mchid', 'order_id', 'out_order_no', 'out_return_no', 'return_mchid', 'amount', 'description'] })

  const shareJson = (number: string, { transaction_id: id, receivers: list, finished }: { transaction_id: string, receivers: Json[], finished: boolean }): Json => ({
    transaction_id: id,
    out_order_no: number,
    order_id: `3008${world.random.digits(24)}`,
    state: finished ? 'FINISHED' : 'PROCESSING',
    receivers: list.map(({ type, account, amount, description }) => ({ type, account, amount, description, result: 'SUCCESS' }))
  })

  // Only `meta` is signed; the file must be what it says.
  for (const path of ['/v3/merchant/media/upload', '/v3/marketing/favor/media/image-upload']) {
    route('POST', path, ({ request }) => {
      const bytes = (request.body as Buffer).toString('latin1')
      const boundary = /boundary="?([^";]+)/.exec(request.headers['content-type'] ?? '')?.[1] ?? ''
      const parts = bytes.split(`--${boundary}`)
      const content = (name: string) => Buffer.from(parts.find(part => part.includes(`name="${name}"`))?.split('\r\n\r\n').slice(1).join('\r\n\r\n').replace(/\r\n$/, '') ?? '', 'latin1')
      const { sha256 } = JSON.parse(content('meta').toString() || '{}') as { sha256?: string }
      return createHash('sha256').update(content('file')).digest('hex') === sha256 ? { media_id: world.random.hex(32) } : refuse(400, 'PARAM_ERROR', '文件摘要与内容不一致', 268435461)
    })
  }

  return {
    /** The receiver confirms. Undefined if there is no such bill, or nothing to confirm. */
    confirm (number: string): TransferBill | undefined {
      const bill = bills.get(number)
      if (bill?.state !== 'WAIT_USER_CONFIRM') return undefined
      bill.state = 'SUCCESS'
      return bill
    }
  }
}
