/** `app.wechatPay.v2`: any v2 call, and typed helpers for common ones. */
import { isIP } from 'node:net'
import { WechatInputError, WechatReplyError } from '../../errors.ts'
import { fromChinaTime } from '../china-time.ts'
import type { CheckedV2 } from '../merchant.ts'
import { checkAmount, checkAuthCode, checkOpenid, checkOrder, checkOutTradeNo, checkText } from '../order.ts'
import type { NativeOrder } from '../order.ts'
import type { Refund } from '../refund.ts'
import type { V2Caller, V2Client } from './client.ts'
import { nativeProductUrl } from './native.ts'
import { orderParams } from './order-params.ts'
import { createProfitSharing } from './profit-sharing.ts'
import type { ProfitSharing } from './profit-sharing.ts'
import { asRefund, foldIndexed } from './refund.ts'
import { readXml } from './xml.ts'
import type { Fields } from './xml.ts'

export interface RedPack {
  /** The merchant's number of the red packet, 1 to 28 letters and digits: the same number is the same packet. */
  mchBillno: string
  openid: string
  /** Integer fen in total. */
  amount: number
  /** Number of receivers: 1, or 3 to 20 for a group packet. Default 1. */
  count?: number
  /** The sender's name, at most 32 bytes. */
  sendName: string
  wishing: string
  actName: string
  remark: string
  /** Needed above 200 yuan: PRODUCT_1 … PRODUCT_8. */
  sceneId?: string
  clientIp?: string
}

export interface Transfer {
  /** The merchant's number of the transfer, 1 to 32 letters and digits: the same number is the same transfer. */
  partnerTradeNo: string
  openid: string
  /** Integer fen. */
  amount: number
  description: string
  /** The receiver's real name, if WeChat should verify it. */
  realName?: string
  clientIp?: string
}

export interface V2 extends V2Client {
  /** NATIVE mode 1: the text of a QR code for a product instead of an order. */
  nativeProductUrl (productId: string): string
  /** NATIVE mode 1: the prepay_id of an order, for the answer to a scan. */
  nativePrepay (order: NativeOrder): Promise<string>
  /** Shortens a `weixin://` URL, so that its QR code is easier to scan. */
  shortUrl (longUrl: string): Promise<string>
  /** The openid of the user with this payment code. */
  openidOf (authCode: string): Promise<string>
  /** All refunds of an order, ten at a time from `offset`. @throws WechatApiError REFUNDNOTEXIST (404) */
  refundsOf (which: { outTradeNo: string } | { transactionId: string }, offset?: number): Promise<{ total: number, refunds: Refund[] }>
  /** Reports a call's performance to WeChat. */
  report (call: { interfaceUrl: string, executeTime: number, returnCode: string, resultCode: string, userIp: string, outTradeNo?: string }): Promise<void>
  /** Payers' comments in WeChat's text format: rows of back-ticked values, starting at `offset`. `begin`, `end`: `yyyyMMddHHmmss` in China. */
  comments (which: { begin: string, end: string, offset: number, limit?: number }): Promise<string>
  sendRedPack (pack: RedPack): Promise<{ sendListId: string, raw: Fields }>
  queryRedPack (mchBillno: string): Promise<{ status: string, amount: number, received: Array<{ openid: string, amount: number, at: Date | undefined }>, raw: Fields }>
  /** Transfers to a user's balance; not for sub-merchants (the older "enterprise payment"; new merchants use APIv3 transfers instead). */
  transfer (transfer: Transfer): Promise<{ paymentNo: string, paidAt: Date | undefined, raw: Fields }>
  queryTransfer (partnerTradeNo: string): Promise<{ status: string, amount: number, reason: string, raw: Fields }>
  profitSharing: ProfitSharing
}

export function createV2 (caller: V2Caller, appId: string, merchant: CheckedV2, notifyUrl: string): V2 {
  const { post, download } = caller

  return {
    post,
    download,
    nativeProductUrl: productId => nativeProductUrl(productId, appId, merchant),
    profitSharing: createProfitSharing(caller),

    async nativePrepay (order) {
      const path = '/pay/unifiedorder'
      const params = { ...orderParams(checkOrder(order)), trade_type: 'NATIVE', product_id: order.productId ?? order.outTradeNo, notify_url: notifyUrl }
      return present(path, await post(path, params), 'prepay_id')
    },

    async shortUrl (longUrl) {
      if (typeof longUrl !== 'string' || !/^weixin:\/\/[\x21-\x7e]{1,500}$/.test(longUrl)) throw new WechatInputError('longUrl', 'must be a weixin:// URL')
      return present('/tools/shorturl', await post('/tools/shorturl', { long_url: longUrl }), 'short_url')
    },

    async openidOf (authCode) {
      return present('/tools/authcodetoopenid', await post('/tools/authcodetoopenid', { auth_code: checkAuthCode(authCode) }), 'openid')
    },

    async refundsOf (which, offset) {
      const path = '/pay/refundquery'
      const params = 'transactionId' in which ? { transaction_id: which.transactionId } : { out_trade_no: checkOutTradeNo(which.outTradeNo) }
      const fields = await post(path, { ...params, offset })
      const items = foldIndexed(fields).filter(item => item.out_refund_no)
      const refunds = items.map(item => asRefund({ ...fields, ...item }, item.refund_status ?? '', merchant, item))
      if (refunds.includes(undefined) || refunds.length !== Number(fields.refund_count)) throw new WechatReplyError(path, 'the answer has invalid refunds')
      return { total: Number(fields.total_refund_count ?? fields.refund_count), refunds: refunds as Refund[] }
    },

    async report ({ interfaceUrl, executeTime, returnCode, resultCode, userIp, outTradeNo }) {
      await post('/payitil/report', { interface_url: interfaceUrl, execute_time_: executeTime, return_code: returnCode, result_code: resultCode, user_ip: userIp, out_trade_no: outTradeNo })
    },

    async comments ({ begin, end, offset, limit }) {
      const chunks: Buffer[] = []
      for await (const chunk of await download('/billcommentsp/batchquerycomment', { begin_time: begin, end_time: end, offset, limit })) chunks.push(chunk)
      return Buffer.concat(chunks).toString()
    },

    async sendRedPack ({ mchBillno, openid, amount, count = 1, sendName, wishing, actName, remark, sceneId, clientIp }) {
      const path = count === 1 ? '/mmpaymkttransfers/sendredpack' : '/mmpaymkttransfers/sendgroupredpack'
      const raw = await post(path, {
        mch_billno: checkNumber('mchBillno', mchBillno, 28),
        re_openid: checkOpenid(openid),
        total_amount: checkAmount(amount),
        total_num: checkAmount(count, 'count'),
        send_name: checkText('sendName', sendName, 32),
        wishing: checkText('wishing', wishing, 128),
        act_name: checkText('actName', actName, 32),
        remark: checkText('remark', remark, 256),
        scene_id: sceneId,
        // A group packet has no client IP, but a way of splitting the amount.
        ...(count === 1 ? { client_ip: checkIp(clientIp) } : { amt_type: 'ALL_RAND' })
      })
      return { sendListId: present(path, raw, 'send_listid'), raw }
    },

    async queryRedPack (mchBillno) {
      const path = '/mmpaymkttransfers/gethbinfo'
      const raw = await post(path, { mch_billno: checkNumber('mchBillno', mchBillno, 28), bill_type: 'MCHT' })
      const received = [...(raw.hblist ?? '').matchAll(/<hbinfo>[^]*?<\/hbinfo>/g)].map(([item]) => {
        const { openid = '', amount, rcv_time: at = '' } = readXml(Buffer.from(item), 'hbinfo')
        return { openid, amount: Number(amount), at: fromChinaTime(at) }
      })
      return { status: present(path, raw, 'status'), amount: Number(raw.total_amount), received, raw }
    },

    async transfer ({ partnerTradeNo, openid, amount, description, realName, clientIp }) {
      const path = '/mmpaymkttransfers/promotion/transfers'
      // It would use the provider's own money.
      if (merchant.subMchId !== undefined) throw new WechatInputError('subMchId', 'cannot be used for v2 transfers: use v3.transfers')
      const raw = await post(path, {
        partner_trade_no: checkNumber('partnerTradeNo', partnerTradeNo, 32),
        openid: checkOpenid(openid),
        check_name: realName === undefined ? 'NO_CHECK' : 'FORCE_CHECK',
        re_user_name: realName,
        amount: checkAmount(amount),
        desc: checkText('description', description, 100),
        spbill_create_ip: checkIp(clientIp)
      })
      return { paymentNo: present(path, raw, 'payment_no'), paidAt: fromChinaTime(raw.payment_time ?? ''), raw }
    },

    async queryTransfer (partnerTradeNo) {
      const path = '/mmpaymkttransfers/gettransferinfo'
      const raw = await post(path, { partner_trade_no: checkNumber('partnerTradeNo', partnerTradeNo, 32) })
      return { status: present(path, raw, 'status'), amount: Number(raw.payment_amount), reason: raw.reason ?? '', raw }
    }
  }
}

function present (path: string, fields: Fields, name: string): string {
  const value = fields[name]
  if (!value) throw new WechatReplyError(path, `the answer has no ${name}`)
  return value
}

/** The older products accept only letters and digits. */
function checkNumber (field: string, value: unknown, most: number): string {
  if (typeof value !== 'string' || !/^[0-9A-Za-z]+$/.test(value) || value.length > most) throw new WechatInputError(field, `must be 1 to ${most} letters and digits`)
  return value
}

function checkIp (value = '127.0.0.1'): string {
  if (!isIP(value)) throw new WechatInputError('clientIp', 'must be an IP address')
  return value
}
