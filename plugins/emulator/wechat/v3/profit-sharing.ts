/** /v3/profitsharing. */
import { gzipSync } from 'node:zlib'
import { MAX_RATIO, NOT_YET } from '../sharing.ts'
import type { Share, ShareProblem, ShareReturn, Sharing } from '../sharing.ts'
import { rfc3339 } from '../../state/state.ts'
import { hashOf, isOurs, notEncrypted } from './area.ts'
import type { V3Area } from './area.ts'
import { invalid, list, object, text } from './shape.ts'
import type { Json } from './shape.ts'
import { refuse } from './wire.ts'
import type { V3Error } from './wire.ts'

/** The messages were seen; of the codes, only PARAM_ERROR, RULE_LIMIT and NO_AUTH. */
export function sharingError (problem: ShareProblem): V3Error {
  switch (problem) {
    case 'no-order': return refuse(404, 'RESOURCE_NOT_EXISTS', '订单不存在', 268512771)
    case 'not-shared': return refuse(400, 'INVALID_REQUEST', '非分账订单不支持分账')
    case 'busy': return refuse(400, 'INVALID_REQUEST', '订单处理中，请稍后重试')
    case 'no-receiver': return refuse(400, 'PARAM_ERROR', '分账接收方关系不存在，请检查参数中每个接收方的关系')
    case 'over-ratio': return refuse(403, 'RULE_LIMIT', '分账金额超出最大分账比例')
    case 'not-enough': return refuse(403, 'NOT_ENOUGH', '分账金额不足')
    case 'repeated-otherwise': return refuse(400, 'INVALID_REQUEST', '请求重入时，参数与首次请求时不一致', 268498688)
  }
}

export function v3ProfitSharing ({ route, state, orders, decrypt, storeFile }: V3Area, sharing: Sharing): void {
  const subProblem = (sub: unknown) => sub === undefined || isOurs(state, sub) ? undefined : refuse(403, 'NO_AUTH', '无分账权限')
  const subOf = (sub: unknown): Json => sub === undefined ? {} : { sub_mchid: sub }

  route('POST', '/v3/profitsharing/receivers/add', ({ body }) => {
    if (body.name !== undefined && decrypt(body.name) === undefined) return notEncrypted()
    if (body.relation_type === 'CUSTOM' && !body.custom_relation) return invalid('custom_relation')
    sharing.receivers.set(text(body.account), true)
    return { ...subOf(body.sub_mchid), type: body.type, account: body.account, ...(body.name !== undefined && { name: body.name }), relation_type: body.relation_type, ...(body.custom_relation !== undefined && { custom_relation: body.custom_relation }) }
  }, { body: ['sub_mchid', 'appid!', 'sub_appid', 'type!', 'account!', 'name', 'relation_type!', 'custom_relation'], encrypted: ['name'] })

  route('POST', '/v3/profitsharing/receivers/delete', ({ body }) => {
    sharing.receivers.delete(text(body.account))
    return { ...subOf(body.sub_mchid), type: body.type, account: body.account }
  }, { body: ['sub_mchid', 'appid!', 'sub_appid', 'type!', 'account!'] })

  function shared (body: Json, unfreeze: boolean, receivers: Json[]): Json | V3Error {
    const problem = subProblem(body.sub_mchid)
    if (problem) return problem
    if (receivers.some(({ amount }) => (amount as number) < 1)) return invalid('receivers/amount')
    if (receivers.some(({ name }) => name !== undefined && decrypt(name) === undefined)) return notEncrypted()
    const made = sharing.share({
      out_order_no: text(body.out_order_no),
      sub_mch_id: text(body.sub_mchid),
      transaction_id: text(body.transaction_id),
      receivers: receivers.map(({ type, account, amount, description }) => ({ type: text(type), account: text(account), amount: amount as number, description: text(description) })),
      unfreeze,
      description: text(body.description),
      notify_url: text(body.notify_url)
    })
    return typeof made === 'string' ? sharingError(made) : shareJson(made)
  }

  route('POST', '/v3/profitsharing/orders', ({ body }) => {
    const receivers = list(body.receivers)
    if (typeof body.unfreeze_unsplit !== 'boolean') return invalid('unfreeze_unsplit')
    if (receivers.length > 50 || (receivers.length === 0 && !body.unfreeze_unsplit)) return invalid('receivers')
    return shared(body, body.unfreeze_unsplit, receivers)
  }, { body: ['sub_mchid', 'appid', 'sub_appid', 'transaction_id!', 'out_order_no!', 'receivers', 'receivers[]/type!', 'receivers[]/account!', 'receivers[]/amount!#', 'receivers[]/description!', 'unfreeze_unsplit!', 'notify_url'] })

  route('GET', '/v3/profitsharing/orders/:number', ({ params, query }) => {
    const share = sharing.find(params.number as string, query.sub_mchid ?? '')
    return share?.transaction_id === query.transaction_id && share ? shareJson(share) : refuse(404, 'RESOURCE_NOT_EXISTS', '记录不存在', 268512771)
  }, { query: ['transaction_id'] })

  route('POST', '/v3/profitsharing/orders/unfreeze', ({ body }) => shared(body, true, []), { body: ['sub_mchid', 'transaction_id!', 'out_order_no!', 'description!', 'notify_url'] })

  route('POST', '/v3/profitsharing/return-orders', ({ body }) => {
    const back = sharing.takeBack({ out_return_no: text(body.out_return_no), sub_mch_id: text(body.sub_mchid), account: text(body.return_mchid), amount: body.amount as number, description: text(body.description), ...(body.out_order_no !== undefined && { out_order_no: text(body.out_order_no) }), ...(body.order_id !== undefined && { order_id: text(body.order_id) }) })
    return typeof back === 'string' ? sharingError(back) : returnJson(back)
  }, { body: ['sub_mchid', 'order_id', 'out_order_no', 'out_return_no!', 'return_mchid!', 'amount!#', 'description!'] })

  route('GET', '/v3/profitsharing/return-orders/:number', ({ params, query }) => {
    const back = sharing.findReturn(params.number as string, query.sub_mchid ?? '')
    return back?.out_order_no === query.out_order_no && back ? returnJson(back) : refuse(404, 'RESOURCE_NOT_EXISTS', '记录不存在', 268512771)
  }, { query: ['out_order_no'] })

  route('GET', '/v3/profitsharing/transactions/:id/amounts', ({ params }) => {
    const order = orders.byTransaction(params.id as string)
    return order ? { transaction_id: order.transaction_id, unsplit_amount: sharing.left(order) } : refuse(404, 'RESOURCE_NOT_EXISTS', '订单不存在', 268512771)
  })

  route('GET', '/v3/profitsharing/merchant-configs/:sub', ({ params }) => subProblem(params.sub) ?? { sub_mchid: params.sub, max_ratio: MAX_RATIO })

  route('GET', '/v3/profitsharing/bills', ({ query, request }) => {
    const shares = sharing.ofDay((query.bill_date ?? '').replaceAll('-', ''), query.sub_mchid ?? '')
    if (shares.length === 0) return refuse(400, 'NO_STATEMENT_EXIST', '请求的账单文件不存在')
    const rows = shares.flatMap(share => share.receivers.map(({ account, amount, detail_id: id }) => [share.created, share.transaction_id, share.order_id, id, share.out_order_no, account, (amount / 100).toFixed(2), share.state].map(cell => `\`${cell}`).join(',')))
    const file = `分账时间,微信订单号,微信分账单号,分账明细单号,商户分账单号,分账接收方,分账金额,处理结果\r\n${rows.join('\r\n')}\r\n`
    return { download_url: `${request.protocol}://${request.host}${request.server.prefix}/v3/billdownload/file?token=${storeFile(query.tar_type === 'GZIP' ? gzipSync(file) : file)}`, hash_type: 'SHA1', hash_value: hashOf('sha1', file) }
  }, { query: ['bill_date'] })
}

export function shareJson (share: Share): Json {
  return {
    ...(share.sub_mch_id && { sub_mchid: share.sub_mch_id }),
    transaction_id: share.transaction_id,
    out_order_no: share.out_order_no,
    order_id: share.order_id,
    state: share.state,
    receivers: share.receivers.map(({ amount, description, type, account, detail_id: id }) => ({
      amount, description, type, account, result: share.state === 'FINISHED' ? 'SUCCESS' : 'PENDING', detail_id: id, create_time: rfc3339(share.created), finish_time: rfc3339(share.finished || NOT_YET)
    }))
  }
}

function returnJson (back: ShareReturn): Json {
  return {
    ...(back.sub_mch_id && { sub_mchid: back.sub_mch_id }),
    order_id: back.order_id,
    out_order_no: back.out_order_no,
    out_return_no: back.out_return_no,
    return_id: back.return_id,
    return_mchid: back.account,
    amount: back.amount,
    description: back.description,
    result: 'SUCCESS',
    create_time: rfc3339(back.at),
    finish_time: rfc3339(back.at)
  }
}

/** The notification of January 2025: a payment's envelope, distinguished only by its summary. */
export const shareNotice = (mchid: string, share: Share, { type, account, amount, description }: Share['receivers'][number]): Json => ({
  ...(share.sub_mch_id ? { sp_mchid: mchid, sub_mchid: share.sub_mch_id } : { mchid }),
  transaction_id: share.transaction_id,
  order_id: share.order_id,
  out_order_no: share.out_order_no,
  receiver: object({ type, account, amount, description }),
  success_time: rfc3339(share.finished)
})

export const returnNotice = (mchid: string, back: ShareReturn, share: Share): Json => ({
  ...(share.sub_mch_id ? { sp_mchid: mchid, sub_mchid: share.sub_mch_id } : { mchid }),
  transaction_id: share.transaction_id,
  order_id: back.order_id,
  out_order_no: back.out_order_no,
  out_return_no: back.out_return_no,
  receiver: { type: 'MERCHANT_ID', account: back.account, amount: back.amount, description: back.description },
  success_time: rfc3339(back.at)
})
