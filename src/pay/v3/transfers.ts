/** Transfers to users, who confirm them: WeChat Pay APIv3 documentation, "Transfer to users" and "Electronic receipts". */
import { createHash } from 'node:crypto'
import { WechatInputError, WechatReplyError } from '../../errors.ts'
import { OPENID } from '../../official-account/oauth.ts'
import { checkAmount, checkText } from '../order.ts'
import type { MerchantIds } from '../merchant.ts'
import type { Json, V3Caller } from './client.ts'
import { path, textIn } from './paths.ts'

export interface TransferBill {
  /** The merchant's number of the transfer, 1 to 32 letters and digits: the same number is the same transfer. */
  outBillNo: string
  /** The transfer scene, as agreed with WeChat Pay: 1000 is a marketing campaign. */
  sceneId: string
  openid: string
  /** Integer fen. */
  amount: number
  /** What the receiver reads: 1 to 32 characters. */
  remark: string
  /** The receiver's real name, required from 2,000 yuan; it is encrypted. */
  realName?: string
  /** What the scene must report, with WeChat's own names. */
  reports: Array<{ info_type: string, info_content: string }>
  notifyUrl?: string
}

/** A transfer by the merchant's number or by WeChat's. */
export type WhichTransfer = string | { outBillNo: string } | { transferBillNo: string }

/** WeChat creates a receipt within minutes after the request. */
export interface TransferReceipt {
  state: 'GENERATING' | 'FINISHED' | 'FAILED'
  /** Why it FAILED, as WeChat says it. */
  failReason?: string
  /** The signed PDF, once FINISHED; verified against the hash that WeChat announced. */
  pdf?: Buffer
}

export interface Transfers {
  /** Pass `packageInfo` to `wx.requestMerchantTransfer`, where the receiver confirms. */
  create (bill: TransferBill): Promise<{ transferBillNo: string, state: string, packageInfo: string | undefined }>
  query (which: WhichTransfer): Promise<Json>
  cancel (outBillNo: string): Promise<Json>
  /** Requests the receipt of a successful transfer; requesting it again is fine. */
  requestReceipt (which: WhichTransfer): Promise<{ state: string }>
  /** @throws WechatReplyError if the file does not match the announced hash */
  receipt (which: WhichTransfer): Promise<TransferReceipt>
}

const BASE = '/v3/fund-app/mch-transfer'
const RECEIPT_STATES: ReadonlySet<string> = new Set(['GENERATING', 'FINISHED', 'FAILED'] satisfies Array<TransferReceipt['state']>)
/** Bytes; a receipt is a page or two. */
const MAX_RECEIPT = 16 * 1024 ** 2

function checkNumber (field: 'outBillNo' | 'transferBillNo', value: unknown): string {
  const most = field === 'outBillNo' ? 32 : 64
  if (typeof value !== 'string' || !/^[0-9A-Za-z]+$/.test(value) || value.length > most) throw new WechatInputError(field, `must be 1 to ${most} letters and digits`)
  return value
}

/** The name of the number in a path and in a body. */
function named (which: WhichTransfer): { part: string, name: string, number: string } {
  return typeof which === 'object' && which !== null && 'transferBillNo' in which
    ? { part: 'transfer-bill-no', name: 'transfer_bill_no', number: checkNumber('transferBillNo', which.transferBillNo) }
    : { part: 'out-bill-no', name: 'out_bill_no', number: checkNumber('outBillNo', typeof which === 'string' ? which : which?.outBillNo) }
}

/** For a sub-merchant, use the provider calls: the others would use the provider's own money. */
export function createTransfers ({ request, download }: V3Caller, appId: string, { subMchId, subAppId }: MerchantIds): Transfers {
  const isPartner = subMchId !== undefined
  const bills = isPartner ? `${BASE}/partner/transfer-bills` : `${BASE}/transfer-bills`
  const sub = isPartner ? { sub_mchid: subMchId } : {}
  // A provider's receipts are hashed with SM3, which is available if Node's OpenSSL has it.
  const hashed = isPartner ? { type: 'SM3', algorithm: 'sm3' } : { type: 'SHA256', algorithm: 'sha256' }

  /** A provider's transfers can be found only by the merchant's number. */
  function numbered (which: WhichTransfer): ReturnType<typeof named> {
    const found = named(which)
    if (isPartner && found.name !== 'out_bill_no') throw new WechatInputError('outBillNo', 'is required: a sub-merchant\'s transfers cannot be queried by WeChat\'s number')
    return found
  }

  return {
    async create ({ outBillNo, sceneId, openid, amount, remark, realName, reports, notifyUrl }) {
      if (!OPENID.test(openid)) throw new WechatInputError('openid', 'must be the receiver\'s openid')
      const answer = await request('POST', bills, {
        body: {
          ...sub,
          appid: subAppId ?? appId,
          out_bill_no: checkNumber('outBillNo', outBillNo),
          transfer_scene_id: sceneId,
          openid,
          ...(realName && { user_name: realName }),
          transfer_amount: checkAmount(amount),
          transfer_remark: checkRemark(remark),
          ...(notifyUrl && { notify_url: notifyUrl }),
          transfer_scene_report_infos: reports
        },
        encrypt: realName ? ['user_name'] : [],
        repeatable: true
      })
      // Providers get no state: a package_info means that the receiver has to confirm.
      const packageInfo = isPartner ? textIn(answer, 'package_info', bills) : answer.package_info
      return { transferBillNo: textIn(answer, 'transfer_bill_no', bills), state: isPartner ? 'WAIT_USER_CONFIRM' : textIn(answer, 'state', bills), packageInfo: typeof packageInfo === 'string' ? packageInfo : undefined }
    },

    async query (which) {
      const { part, number } = numbered(which)
      return await request('GET', path(`${bills}/${part}`, number), isPartner ? { query: sub } : {})
    },

    cancel: async outBillNo => await request('POST', `${path(`${bills}/out-bill-no`, checkNumber('outBillNo', outBillNo))}/cancel`, { ...(isPartner && { body: sub }), repeatable: true }),

    async requestReceipt (which) {
      const { part, name, number } = numbered(which)
      const call = isPartner ? `${BASE}/partner/electronic-receipts` : `${BASE}/elecsign/${part}`
      return { state: textIn(await request('POST', call, { body: { ...sub, [name]: number }, repeatable: true }), 'state', call) }
    },

    async receipt (which) {
      const { part, number } = numbered(which)
      const call = isPartner ? path(`${BASE}/partner/electronic-receipts`, number) : path(`${BASE}/elecsign/${part}`, number)
      const answer = await request('GET', call, isPartner ? { query: sub } : {})
      const { state, fail_reason: failReason, download_url: url, hash_type: type, hash_value: hash } = answer
      if (typeof state !== 'string' || !RECEIPT_STATES.has(state)) throw new WechatReplyError(call, 'the answer is not about a receipt')
      const known = { state: state as TransferReceipt['state'], ...(typeof failReason === 'string' && failReason !== '' && { failReason }) }
      if (state !== 'FINISHED') return known
      const algorithm = type === hashed.type ? hashed.algorithm : undefined
      if (typeof url !== 'string' || algorithm === undefined || typeof hash !== 'string') throw new WechatReplyError(call, 'the answer has no download_url or hash of the receipt')
      const chunks: Buffer[] = []
      let size = 0
      for await (const chunk of await download(url)) {
        if ((size += chunk.length) > MAX_RECEIPT) throw new WechatReplyError(call, 'the receipt is larger than allowed')
        chunks.push(chunk)
      }
      const pdf = Buffer.concat(chunks)
      if (createHash(algorithm).update(pdf).digest('hex') !== hash.toLowerCase()) throw new WechatReplyError(call, 'the receipt does not have the hash that WeChat announced')
      return { ...known, pdf }
    }
  }
}

/** At most 32 characters; the number of bytes does not matter. */
function checkRemark (remark: unknown): string {
  const text = checkText('remark', remark, 128)
  if ([...text].length > 32) throw new WechatInputError('remark', 'is longer than 32 characters')
  return text
}
