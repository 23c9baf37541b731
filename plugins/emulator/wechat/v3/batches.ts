/** /v3/transfer/batches: the older batch transfers and their receipts. */
import { chinaTime, openidProblem, rfc3339 } from '../../state/state.ts'
import { hashOf, notFound, parametersDiffer, notEncrypted } from './area.ts'
import type { V3Area } from './area.ts'
import { invalid, list, text } from './shape.ts'
import type { Json } from './shape.ts'
import { pdf } from './transfers/pdf.ts'
import { refuse } from './wire.ts'
import type { V3Error } from './wire.ts'

interface Detail {
  out_detail_no: string
  detail_id: string
  amount: number
  remark: string
  openid: string
  user_name: string
  status: 'PROCESSING' | 'SUCCESS' | 'FAIL'
  fail_reason: string
}

export interface Batch {
  out_batch_no: string
  batch_id: string
  name: string
  remark: string
  total_amount: number
  scene: string
  notify_url: string
  status: 'ACCEPTED' | 'PROCESSING' | 'FINISHED' | 'CLOSED'
  close_reason: string
  /** `yyyyMMddHHmmss` in China. */
  at: string
  updated: string
  details: Detail[]
}

/** How long a batch is processed, in seconds times `timeScale`. */
const DURATION = 30

export function v3Batches ({ route, state, decrypt, sendEvent, after, storeFile }: V3Area) {
  const batches = state.memory.table<Batch>('transferBatches')
  const { account } = state
  const byId = new Map<string, Batch>()
  for (const batch of batches.values()) {
    byId.set(batch.batch_id, batch)
    if (batch.status === 'ACCEPTED' || batch.status === 'PROCESSING') after(DURATION, () => finish(batch))
  }
  const sum = (details: Detail[]) => details.reduce((total, { amount }) => total + amount, 0)
  const of = (batch: Batch, status: Detail['status']) => batch.details.filter(detail => detail.status === status)

  /** Finishes a batch: all details succeed except those in `failing`; with `closeReason`, the batch is closed. */
  function finish (batch: Batch, failing: readonly string[] = [], closeReason = ''): boolean {
    if (batch.status === 'FINISHED' || batch.status === 'CLOSED') return false
    for (const detail of batch.details) {
      detail.status = closeReason || failing.includes(detail.out_detail_no) ? 'FAIL' : 'SUCCESS'
      detail.fail_reason = detail.status === 'FAIL' ? closeReason ? 'MERCHANT_REJECT' : 'ACCOUNT_FROZEN' : ''
    }
    state.balance += sum(of(batch, 'FAIL'))
    batch.status = closeReason ? 'CLOSED' : 'FINISHED'
    batch.close_reason = closeReason
    batch.updated = chinaTime(state.now())
    const { close_reason: why, ...summary } = summaryJson(batch)
    const { out_batch_no, batch_id, batch_status, total_num, total_amount, success_amount, success_num, fail_amount, fail_num, update_time } = summary
    const content = closeReason
      ? { out_batch_no, batch_id, batch_status, total_num, total_amount, close_reason: why, mch_id: account.mchId, update_time }
      : { out_batch_no, batch_id, batch_status, total_num, total_amount, success_amount, success_num, fail_amount, fail_num, mch_id: account.mchId, update_time }
    sendEvent({ url: batch.notify_url, type: `MCHTRANSFER.BATCH.${batch.status}`, originalType: 'mch_payment', summary: closeReason ? '商家转账批次关闭通知' : '商家转账批次完成通知', content })
    return true
  }

  route('POST', '/v3/transfer/batches', ({ body }) => {
    const details = list(body.transfer_detail_list)
    if (body.appid !== account.appId) return refuse(400, 'APPID_MCHID_NOT_MATCH', 'appid和mch_id不匹配', 268445527)
    if (!/^[0-9A-Za-z]{5,32}$/.test(text(body.out_batch_no))) return invalid('out_batch_no')
    if (details.length === 0 || details.length > 1000 || details.length !== body.total_num) return refuse(400, 'PARAM_ERROR', '转账总笔数与转账明细笔数不一致')
    const total = details.reduce((sum, { transfer_amount: amount }) => sum + (amount as number), 0)
    if (total !== body.total_amount) return refuse(400, 'PARAM_ERROR', '转账总金额与转账明细金额之和不一致')
    if (details.some(({ transfer_amount: amount }) => (amount as number) < 1)) return invalid('transfer_detail_list/transfer_amount')
    if (details.some(({ openid }) => openidProblem(state, text(openid)))) return refuse(400, 'PARAM_ERROR', 'openid与appid不匹配', 268445527)
    if (details.some(({ user_name: name }) => name !== undefined && decrypt(name) === undefined)) return notEncrypted()
    if (new Set(details.map(({ out_detail_no: number }) => number)).size !== details.length) return refuse(400, 'PARAM_ERROR', '商家明细单号重复')
    const before = batches.get(text(body.out_batch_no))
    if (before) return before.total_amount === total && before.details.map(({ openid, out_detail_no: no }) => no + openid).join() === details.map(({ openid, out_detail_no: no }) => text(no) + text(openid)).join() ? createdJson(before) : parametersDiffer('ALREADY_EXISTS')
    if (total > state.balance) return refuse(403, 'NOT_ENOUGH', '账户余额不足')
    state.balance -= total
    const at = chinaTime(state.now())
    const batch: Batch = {
      out_batch_no: text(body.out_batch_no),
      batch_id: `1310${state.random.digits(36)}`,
      name: text(body.batch_name),
      remark: text(body.batch_remark),
      total_amount: total,
      scene: text(body.transfer_scene_id),
      notify_url: text(body.notify_url),
      status: 'ACCEPTED',
      close_reason: '',
      at,
      updated: at,
      details: details.map(detail => ({ out_detail_no: text(detail.out_detail_no), detail_id: `1040${state.random.digits(36)}`, amount: detail.transfer_amount as number, remark: text(detail.transfer_remark), openid: text(detail.openid), user_name: text(detail.user_name), status: 'PROCESSING', fail_reason: '' }))
    }
    batches.set(batch.out_batch_no, batch)
    byId.set(batch.batch_id, batch)
    after(DURATION, () => finish(batch))
    return createdJson(batch)
  }, { body: ['appid!', 'out_batch_no!', 'batch_name!', 'batch_remark!', 'total_amount!#', 'total_num!#', 'transfer_detail_list!', 'transfer_detail_list[]/out_detail_no!', 'transfer_detail_list[]/transfer_amount!#', 'transfer_detail_list[]/transfer_remark!', 'transfer_detail_list[]/openid!', 'transfer_scene_id', 'notify_url'] })

  const createdJson = (batch: Batch): Json => ({ out_batch_no: batch.out_batch_no, batch_id: batch.batch_id, create_time: rfc3339(batch.at), batch_status: batch.status })

  const summaryJson = (batch: Batch): Json => ({
    mchid: account.mchId,
    out_batch_no: batch.out_batch_no,
    batch_id: batch.batch_id,
    appid: account.appId,
    batch_status: batch.status,
    batch_type: 'API',
    batch_name: batch.name,
    batch_remark: batch.remark,
    ...(batch.close_reason && { close_reason: batch.close_reason }),
    total_amount: batch.total_amount,
    total_num: batch.details.length,
    create_time: rfc3339(batch.at),
    update_time: rfc3339(batch.updated),
    success_amount: sum(of(batch, 'SUCCESS')),
    success_num: of(batch, 'SUCCESS').length,
    fail_amount: sum(of(batch, 'FAIL')),
    fail_num: of(batch, 'FAIL').length,
    ...(batch.scene && { transfer_scene_id: batch.scene })
  })

  const detailJson = (batch: Batch, detail: Detail): Json => ({
    mchid: account.mchId,
    out_batch_no: batch.out_batch_no,
    batch_id: batch.batch_id,
    appid: account.appId,
    out_detail_no: detail.out_detail_no,
    detail_id: detail.detail_id,
    detail_status: detail.status,
    transfer_amount: detail.amount,
    transfer_remark: detail.remark,
    ...(detail.fail_reason && { fail_reason: detail.fail_reason }),
    openid: detail.openid,
    user_name: detail.user_name,
    initiate_time: rfc3339(batch.at),
    update_time: rfc3339(batch.updated)
  })

  for (const [path, find, ofDetail, key] of [
    ['/v3/transfer/batches/out-batch-no/:number', (number: string) => batches.get(number), '/details/out-detail-no/:detail', 'out_detail_no'],
    ['/v3/transfer/batches/batch-id/:number', (number: string) => byId.get(number), '/details/detail-id/:detail', 'detail_id']
  ] as const) {
    route('GET', path, ({ params, query }) => {
      const batch = find(params.number as string)
      if (!batch) return notFound('批次单不存在')
      const [offset, limit] = [Number(query.offset ?? 0), Number(query.limit ?? 20)]
      if (!(offset >= 0) || !(limit >= 20 && limit <= 100)) return refuse(400, 'PARAM_ERROR', '分页参数错误')
      if (query.need_query_detail !== 'true') return { transfer_batch: summaryJson(batch) }
      const wanted = batch.details.filter(({ status }) => (query.detail_status ?? 'ALL') === 'ALL' || status === query.detail_status)
      return {
        transfer_batch: summaryJson(batch),
        transfer_detail_list: wanted.slice(offset, offset + limit).map(({ detail_id: id, out_detail_no: no, status }) => ({ detail_id: id, out_detail_no: no, detail_status: status })),
        ...(key === 'out_detail_no' && { offset, limit })
      }
    }, { query: ['need_query_detail'] })
    route('GET', path + ofDetail, ({ params }) => {
      const batch = find(params.number as string)
      const detail = batch?.details.find(detail => detail[key] === params.detail)
      return batch && detail ? detailJson(batch, detail) : notFound('明细单不存在')
    })
  }

  // ---- Receipts.
  const receipts = state.memory.table<{ signature_no: string, at: string }>('batchReceipts')
  const receiptOf = (key: string) => {
    const made = receipts.get(key) ?? { signature_no: `1050${state.random.digits(24)}`, at: chinaTime(state.now()) }
    receipts.set(key, made)
    return made
  }
  const signedFile = (request: { protocol: string, host: string, server: { prefix: string } }, title: string): Json => {
    const document = pdf(['Transfer receipt (emulator)', title])
    return { signature_status: 'FINISHED', hash_type: 'SHA256', hash_value: hashOf('sha256', document), download_url: `${request.protocol}://${request.host}${request.server.prefix}/v3/transferdownload/signfile?token=${storeFile(document)}` }
  }

  route('POST', '/v3/transfer/bill-receipt', ({ body }) => {
    const batch = batches.get(text(body.out_batch_no))
    if (!batch) return notFound('批次单不存在')
    const made = receiptOf(batch.out_batch_no)
    return { out_batch_no: batch.out_batch_no, signature_no: made.signature_no, signature_status: 'ACCEPTED', create_time: rfc3339(made.at), update_time: rfc3339(made.at) }
  }, { body: ['out_batch_no!'] })
  route('GET', '/v3/transfer/bill-receipt/:number', ({ params, request }) => {
    const made = receipts.get(params.number as string)
    return made ? { out_batch_no: params.number, signature_no: made.signature_no, ...signedFile(request, `out_batch_no ${params.number}`), create_time: rfc3339(made.at), update_time: rfc3339(made.at) } : notFound('电子回单不存在，请先申请')
  })

  const detailOf = (given: Json): Detail | V3Error => {
    if (!['BATCH_TRANSFER', 'TRANSFER_TO_POCKET', 'TRANSFER_TO_BANK'].includes(text(given.accept_type))) return invalid('accept_type')
    const all = given.out_batch_no === undefined ? [...batches.values()] : [batches.get(text(given.out_batch_no))]
    return all.flatMap(batch => batch?.details ?? []).find(({ out_detail_no: no }) => no === given.out_detail_no) ?? notFound('明细单不存在')
  }
  const receiptJson = (given: Json, no: string): Json => ({ accept_type: given.accept_type, ...(given.out_batch_no !== undefined && { out_batch_no: given.out_batch_no }), out_detail_no: given.out_detail_no, signature_no: no })
  route('POST', '/v3/transfer-detail/electronic-receipts', ({ body }) => {
    const detail = detailOf(body)
    return 'detail_id' in detail ? { ...receiptJson(body, receiptOf(detail.detail_id).signature_no), signature_status: 'ACCEPTED' } : detail
  }, { body: ['accept_type!', 'out_batch_no', 'out_detail_no!'] })
  route('GET', '/v3/transfer-detail/electronic-receipts', ({ query, request }) => {
    const detail = detailOf(query)
    if (!('detail_id' in detail)) return detail
    const made = receipts.get(detail.detail_id)
    return made ? { ...receiptJson(query, made.signature_no), ...signedFile(request, `detail_id ${detail.detail_id}`) } : notFound('电子回单不存在，请先申请')
  }, { query: ['accept_type', 'out_detail_no'] })

  return { list: () => [...batches.values()].reverse(), find: (number: string) => batches.get(number), finish }
}
