/**
 * Reports a mini program order's shipping to WeChat, which withholds the money until then. WeChat's
 * documentation of uploadShippingInfo and getOrder.
 */
import { WechatApiError, WechatInputError, WechatReplyError } from '../errors.ts'
import type { WechatToken } from '../official-account/access-token.ts'
import { OPENID } from '../official-account/oauth.ts'

/** Identifies the payment by WeChat Pay's number or by the merchant's. */
export type ShippedOrder =
  | { transactionId: string }
  | { outTradeNo: string, /** Default: `merchant.mchId` of the account. */ mchId?: string }

export interface Parcel {
  /** The content: 1 to 120 characters. */
  description: string
  /** Required for `express`: 1 to 128 characters. */
  trackingNo?: string
  /** Required for `express`: WeChat's carrier code (get_delivery_list), such as SF. `local`: the courier's name. */
  carrier?: string
  /** The sender's phone number, masked except for the last four digits. SF requires this or `receiverContact`. */
  senderContact?: string
  /** The receiver's phone number, masked the same way. */
  receiverContact?: string
}

export type Shipment = ShippedOrder & {
  /** The payer's openid under the mini program's appId. */
  openid: string
  /** `express`: by a carrier; `local`: by a local courier; `virtual`: nothing to ship (a service, a top-up); `pickup`: collected by the buyer. */
  by: 'express' | 'local' | 'virtual' | 'pickup'
  /** One parcel; for `express` with `complete`, up to 15. */
  parcels: Parcel[]
  /** For an order in several parcels: whether all parcels are included. Omit for a single parcel. */
  complete?: boolean
  /** The time of shipping; of two uploads, the one with the later time counts. Default: now. */
  at?: Date
}

/** `withheld`: paid and received, but WeChat still withholds the money. */
export type ShippingState = 'unshipped' | 'shipped' | 'received' | 'finished' | 'refunded' | 'withheld'

export interface ShippingStatus {
  transactionId: string
  outTradeNo: string
  state: ShippingState
  openid: string
  /** Integer fen. */
  amount: number
  paidAt: Date
  /** Everything is shipped. */
  complete: boolean
  inComplaint: boolean
  parcels: Array<{ description: string, trackingNo: string, carrier: string }>
  /** WeChat's fields, as received. */
  raw: Readonly<Record<string, unknown>>
}

export interface Shipping {
  /**
   * Repeating an upload is not an error. @throws WechatInputError; WechatApiError 10060001 (retryable: WeChat does not know a
   * payment in its first seconds), 10060003, 10060004, 10060031 and others
   */
  upload (shipment: Shipment): Promise<void>
  query (order: ShippedOrder): Promise<ShippingStatus>
}

const WAYS = { express: 1, local: 2, virtual: 3, pickup: 4 } as const
const STATES: Readonly<Record<number, ShippingState>> = { 1: 'unshipped', 2: 'shipped', 3: 'received', 4: 'finished', 5: 'refunded', 6: 'withheld' }
/** Maximum parcels per order. */
const MOST = 15
/** WeChat's code for an upload identical to the previous one. */
const UNCHANGED = '10060023'

const UPLOAD = '/wxa/sec/order/upload_shipping_info'
const QUERY = '/wxa/sec/order/get_order'

const text = (value: unknown) => typeof value === 'string' ? value : ''
const object = (value: unknown) => (value !== null && typeof value === 'object' ? value : {}) as Record<string, unknown>

/** `mchId`: the account's merchant, for orders identified by `outTradeNo`. */
export function createShipping (token: Pick<WechatToken, 'request'>, mchId: string | undefined): Shipping {
  function named (order: ShippedOrder): { transaction: string } | { mchId: string, number: string } {
    if (typeof order !== 'object' || order === null) throw new WechatInputError('order', 'must be { transactionId } or { outTradeNo }')
    if ('transactionId' in order) {
      if (!/^[0-9A-Za-z]{1,64}$/.test(order.transactionId)) throw new WechatInputError('transactionId', 'must be WeChat Pay\'s transaction_id')
      return { transaction: order.transactionId }
    }
    if (!/^[0-9A-Za-z_\-|*@]{1,32}$/.test(order.outTradeNo)) throw new WechatInputError('outTradeNo', 'must be 1 to 32 of 0-9 A-Z a-z _ - | * @')
    const merchant = order.mchId ?? mchId
    if (typeof merchant !== 'string' || !/^\d{1,32}$/.test(merchant)) throw new WechatInputError('mchId', 'is required with outTradeNo if the account has no merchant')
    return { mchId: merchant, number: order.outTradeNo }
  }

  return {
    async upload (shipment) {
      const which = named(shipment)
      const { openid, by, parcels, complete, at = new Date() } = shipment
      if (typeof openid !== 'string' || !OPENID.test(openid)) throw new WechatInputError('openid', 'must be the payer\'s openid')
      if (!Object.hasOwn(WAYS, by)) throw new WechatInputError('by', `must be ${Object.keys(WAYS).join(', ')}`)
      if (!Array.isArray(parcels) || parcels.length === 0 || parcels.length > MOST) throw new WechatInputError('parcels', `must be a list of 1 to ${MOST}`)
      if (complete === undefined && parcels.length > 1) throw new WechatInputError('complete', 'must be a boolean: whether all parcels are included')
      if (complete !== undefined && by !== 'express') throw new WechatInputError('complete', 'is only allowed for express')
      if (!(at instanceof Date) || Number.isNaN(at.getTime())) throw new WechatInputError('at', 'must be a Date')
      try {
        await token.request(UPLOAD, {
          json: {
            order_key: 'transaction' in which ? { order_number_type: 2, transaction_id: which.transaction } : { order_number_type: 1, mchid: which.mchId, out_trade_no: which.number },
            logistics_type: WAYS[by],
            delivery_mode: complete === undefined ? 1 : 2,
            ...(complete !== undefined && { is_all_delivered: complete }),
            shipping_list: parcels.map((parcel, at) => parcelOf(parcel, by, `parcels[${at}]`)),
            upload_time: inChina(at),
            payer: { openid }
          }
        })
      } catch (error) {
        if (!(error instanceof WechatApiError && error.wechatCode === UNCHANGED)) throw error
      }
    },

    async query (order) {
      const which = named(order)
      const answer = await token.request(QUERY, { json: 'transaction' in which ? { transaction_id: which.transaction } : { merchant_id: which.mchId, merchant_trade_no: which.number } })
      const raw = object(answer.order)
      const isSameOrder = 'transaction' in which ? raw.transaction_id === which.transaction : raw.merchant_trade_no === which.number && raw.merchant_id === which.mchId
      if (!isSameOrder) throw new WechatReplyError(QUERY, 'the answer is about another order')
      return asStatus(raw)
    }
  }
}

function parcelOf ({ description, trackingNo, carrier, senderContact, receiverContact }: Parcel, by: Shipment['by'], name: string): object {
  if (typeof description !== 'string' || description.trim() === '' || [...description].length > 120) throw new WechatInputError(`${name}.description`, 'must have 1 to 120 characters')
  if (by === 'express' && (typeof trackingNo !== 'string' || trackingNo === '' || trackingNo.length > 128)) throw new WechatInputError(`${name}.trackingNo`, 'is required for express: 1 to 128 characters')
  if (by === 'express' && (typeof carrier !== 'string' || carrier === '' || carrier.length > 128)) throw new WechatInputError(`${name}.carrier`, 'is required for express: WeChat\'s carrier code')
  if (carrier === 'SF' && !senderContact && !receiverContact) throw new WechatInputError(`${name}.receiverContact`, 'or senderContact is required for SF, masked: 189****1234')
  const contact = { ...(senderContact && { consignor_contact: senderContact }), ...(receiverContact && { receiver_contact: receiverContact }) }
  return { item_desc: description, ...(trackingNo && { tracking_no: trackingNo }), ...(carrier && { express_company: carrier }), ...(Object.keys(contact).length > 0 && { contact }) }
}

/** RFC 3339 with milliseconds, in China's time zone: of two uploads within a second, the later one must count. */
const inChina = (date: Date) => new Date(date.getTime() + 8 * 3600_000).toISOString().replace('Z', '+08:00')

function asStatus (raw: Record<string, unknown>): ShippingStatus {
  const state = STATES[raw.order_state as number]
  const { paid_amount: amount, pay_time: paid } = raw
  if (state === undefined) throw new WechatReplyError(QUERY, `the order has the unknown state ${text(String(raw.order_state)).slice(0, 20)}`)
  if (!Number.isSafeInteger(amount) || !Number.isSafeInteger(paid)) throw new WechatReplyError(QUERY, 'the answer has no usable amount and time')
  const shipping = object(raw.shipping)
  const parcels = Array.isArray(shipping.shipping_list) ? shipping.shipping_list.map(object) : []
  return {
    transactionId: text(raw.transaction_id),
    outTradeNo: text(raw.merchant_trade_no),
    state,
    openid: text(raw.openid),
    amount: amount as number,
    paidAt: new Date((paid as number) * 1000),
    complete: shipping.finish_shipping === true,
    inComplaint: raw.in_complaint === true,
    parcels: parcels.map(parcel => ({ description: text(parcel.goods_desc), trackingNo: text(parcel.tracking_no), carrier: text(parcel.express_company) })),
    raw
  }
}
