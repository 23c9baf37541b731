/** Money to users, who confirm it: WeChat Pay APIv3 documentation, "Transfer to users" and "Electronic receipts". */
import { createHash } from 'node:crypto'
import { WechatInputError, WechatReplyError } from '../../errors.ts'
import { OPENID } from '../../official-account/oauth.ts'
import { checkAmount, checkText } from '../order.ts'
import type { Json, V3Caller } from './client.ts'
import { path, textIn } from './paths.ts'

export interface TransferBill {
  /** The merchant's number of the transfer, 1 to 32 letters and digits: the same again is the same transfer. */
  outBillNo: string
  /** What the money is for, as agreed with WeChat Pay: 1000 is a marketing campaign. */
  sceneId: string
  openid: string
  /** Integer fen. */
  amount: number
  /** What the receiver reads: 1 to 32 characters. */
  remark: string
  /** The receiver's real name, needed from 2,000 yuan on; it is encrypted on the way. */
  realName?: string
  /** What the scene has to report, by WeChat's own names. */
  reports: Array<{ info_type: string, info_content: string }>
  notifyUrl?: string
}

/** A transfer by the merchant's number or by WeChat's. */
export type WhichTransfer = string | { outBillNo: string } | { transferBillNo: string }

/** WeChat makes a receipt within minutes after it was asked for. */
export interface TransferReceipt {
  state: 'GENERATING' | 'FINISHED' | 'FAILED'
  /** Why it FAILED, in WeChat's words. */
  failReason?: string
  /** The signed PDF of one that is FINISHED, compared with the hash that WeChat announced. */
  pdf?: Buffer
}

export interface Transfers {
  /** `packageInfo` goes to `wx.requestMerchantTransfer`, where the receiver confirms. */
  create (bill: TransferBill): Promise<{ transferBillNo: string, state: string, packageInfo: string | undefined }>
  query (which: WhichTransfer): Promise<Json>
  cancel (outBillNo: string): Promise<Json>
  /** Asks for the receipt of a transfer that succeeded; asking again is fine. */
  requestReceipt (which: WhichTransfer): Promise<{ state: string }>
  /** @throws WechatReplyError if the file is not what WeChat announced */
  receipt (which: WhichTransfer): Promise<TransferReceipt>
}

const BILLS = '/v3/fund-app/mch-transfer/transfer-bills'
const RECEIPTS = '/v3/fund-app/mch-transfer/elecsign'
const RECEIPT_STATES: ReadonlySet<string> = new Set(['GENERATING', 'FINISHED', 'FAILED'] satisfies Array<TransferReceipt['state']>)
/** Bytes; a receipt is a page or two. */
const MAX_RECEIPT = 16 * 1024 ** 2

function checkNumber (field: 'outBillNo' | 'transferBillNo', value: unknown): string {
  const most = field === 'outBillNo' ? 32 : 64
  if (typeof value !== 'string' || !/^[0-9A-Za-z]+$/.test(value) || value.length > most) throw new WechatInputError(field, `must be 1 to ${most} letters and digits`)
  return value
}

/** How the number is called in a path and in a body. */
function named (which: WhichTransfer): { part: string, name: string, number: string } {
  return typeof which === 'object' && which !== null && 'transferBillNo' in which
    ? { part: 'transfer-bill-no', name: 'transfer_bill_no', number: checkNumber('transferBillNo', which.transferBillNo) }
    : { part: 'out-bill-no', name: 'out_bill_no', number: checkNumber('outBillNo', typeof which === 'string' ? which : which?.outBillNo) }
}

export function createTransfers ({ request, download }: V3Caller, appId: string): Transfers {
  return {
    async create ({ outBillNo, sceneId, openid, amount, remark, realName, reports, notifyUrl }) {
      if (!OPENID.test(openid)) throw new WechatInputError('openid', 'must be the receiver\'s openid')
      const answer = await request('POST', BILLS, {
        body: {
          appid: appId,
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
      const packageInfo = answer.package_info
      return { transferBillNo: textIn(answer, 'transfer_bill_no', BILLS), state: textIn(answer, 'state', BILLS), packageInfo: typeof packageInfo === 'string' ? packageInfo : undefined }
    },

    async query (which) {
      const { part, number } = named(which)
      return await request('GET', path(`${BILLS}/${part}`, number))
    },

    cancel: async outBillNo => await request('POST', `${path(`${BILLS}/out-bill-no`, checkNumber('outBillNo', outBillNo))}/cancel`, { repeatable: true }),

    async requestReceipt (which) {
      const { part, name, number } = named(which)
      const call = `${RECEIPTS}/${part}`
      return { state: textIn(await request('POST', call, { body: { [name]: number }, repeatable: true }), 'state', call) }
    },

    async receipt (which) {
      const { part, number } = named(which)
      const call = path(`${RECEIPTS}/${part}`, number)
      const answer = await request('GET', call)
      const { state, fail_reason: failReason, download_url: url, hash_type: type, hash_value: hash } = answer
      if (typeof state !== 'string' || !RECEIPT_STATES.has(state)) throw new WechatReplyError(call, 'the answer is no receipt\'s')
      const known = { state: state as TransferReceipt['state'], ...(typeof failReason === 'string' && failReason !== '' && { failReason }) }
      if (state !== 'FINISHED') return known
      if (typeof url !== 'string' || type !== 'SHA256' || typeof hash !== 'string') throw new WechatReplyError(call, 'the answer says neither where the receipt is nor what it hashes to')
      const chunks: Buffer[] = []
      let size = 0
      for await (const chunk of await download(url)) {
        if ((size += chunk.length) > MAX_RECEIPT) throw new WechatReplyError(call, 'the receipt is larger than allowed')
        chunks.push(chunk)
      }
      const pdf = Buffer.concat(chunks)
      if (createHash('sha256').update(pdf).digest('hex') !== hash.toLowerCase()) throw new WechatReplyError(call, 'the receipt does not have the hash that WeChat announced')
      return { ...known, pdf }
    }
  }
}

/** 32 characters, of however many bytes. */
function checkRemark (remark: unknown): string {
  const text = checkText('remark', remark, 128)
  if ([...text].length > 32) throw new WechatInputError('remark', 'is longer than 32 characters')
  return text
}
