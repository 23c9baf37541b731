/** Receipts of transfers: requested, then downloaded as a real file with its hash. */
import { getHashes } from 'node:crypto'
import { chinaTime, rfc3339 } from '../../../state/state.ts'
import { hashOf, notFound } from '../area.ts'
import type { V3Area } from '../area.ts'
import { BASE } from './bills.ts'
import type { TransferBill, TransferBills } from './bills.ts'
import { pdf } from './pdf.ts'
import { text } from '../shape.ts'
import type { Json } from '../shape.ts'
import { refuse } from '../wire.ts'
import type { V3Error } from '../wire.ts'

export function transferReceipts ({ route, state, storeFile, readFile }: V3Area, bills: TransferBills) {
  const receipts = state.memory.table<{ at: string, updated: string, token: string, hash: string }>('receipts')

  function receiptFor (bill: TransferBill): { at: string, updated: string, token: string, hash: string } {
    const key = bill.transfer_bill_no
    const before = receipts.get(key)
    if (before && readFile(before.token)) return before
    const document = pdf(['Transfer receipt (emulator)', `out_bill_no ${bill.out_bill_no}`, `transfer_bill_no ${bill.transfer_bill_no}`, `amount ${(bill.amount / 100).toFixed(2)} CNY`, `state ${bill.state}`])
    const at = chinaTime(state.now())
    const made = { at: before?.at ?? at, updated: at, token: storeFile(document), hash: hashOf('sha256', document) }
    receipts.set(key, made)
    return made
  }
  const receiptProblem = (bill: TransferBill | undefined): V3Error | undefined => !bill ? notFound('单据不存在') : bill.state === 'SUCCESS' ? undefined : refuse(400, 'INVALID_REQUEST', '转账单据未成功，不能申请电子回单', 268435461)
  const download = (request: { protocol: string, host: string, server: { prefix: string } }, token: string) => `${request.protocol}://${request.host}${request.server.prefix}/v3/transferdownload/signfile?token=${token}`

  for (const [path, find] of [[`${BASE}/elecsign/out-bill-no`, (number: string) => bills.find(number)], [`${BASE}/elecsign/transfer-bill-no`, (number: string) => bills.byWechatNumber(number)]] as const) {
    const name = path.endsWith('out-bill-no') ? 'out_bill_no' : 'transfer_bill_no'
    route('POST', path, ({ body }) => {
      const bill = find(text(body[name]))
      const wrong = receiptProblem(bill)
      return wrong ?? { state: 'GENERATING', create_time: rfc3339(receiptFor(bill as TransferBill).at) }
    }, { body: [`${name}!`] })
    route('GET', `${path}/:number`, ({ params, request }) => {
      const bill = find(params.number as string)
      const receipt = bill && receipts.get(bill.transfer_bill_no)
      if (!bill || !receipt) return notFound('电子回单不存在，请先申请')
      const made = receiptFor(bill)
      return { state: 'FINISHED', create_time: rfc3339(made.at), update_time: rfc3339(made.updated), hash_type: 'SHA256', hash_value: made.hash, download_url: download(request, made.token) }
    })
  }

  const subReceipt = (bill: TransferBill): Json => ({ sub_mchid: bill.sub_mch_id, out_bill_no: bill.out_bill_no, create_time: rfc3339(receiptFor(bill).at) })
  route('POST', `${BASE}/partner/electronic-receipts`, ({ body }) => {
    const bill = bills.find(text(body.out_bill_no), text(body.sub_mchid))
    const wrong = receiptProblem(bill)
    return wrong ?? { ...subReceipt(bill as TransferBill), state: 'GENERATING' }
  }, { body: ['sub_mchid!', 'out_bill_no!'] })
  // wechat-openapi only lists SM3 here; Node.js has it if its OpenSSL does.
  const sm3Of = (document: Buffer | undefined): Json => document && getHashes().includes('sm3') ? { hash_type: 'SM3', hash_value: hashOf('sm3', document) } : {}
  route('GET', `${BASE}/partner/electronic-receipts/:number`, ({ params, query, request }) => {
    const bill = bills.find(params.number as string, query.sub_mchid)
    if (!bill || !receipts.has(bill.transfer_bill_no)) return notFound('电子回单不存在，请先申请')
    const made = receiptFor(bill)
    return { ...subReceipt(bill), state: 'FINISHED', update_time: rfc3339(made.updated), ...sm3Of(readFile(made.token)), download_url: download(request, made.token) }
  }, { query: ['sub_mchid'] })

  for (const path of ['/v3/transferdownload/signfile', '/v3/transferdownload/elecvoucherfile']) {
    route('GET', path, ({ query }, reply) => {
      const found = readFile(query.token)
      return found ? reply.type('application/octet-stream').send(found) : notFound('文件不存在')
    }, { query: ['token'] })
  }

  return receiptFor
}
