/** An order as v2 parameters: WeChat Pay v2 documentation, "Unified order" and "Submit a micropay payment". */
import { WechatInputError } from '../../errors.ts'
import { toCompactChinaTime } from '../china-time.ts'
import type { Order, OrderDetail, StoreInfo } from '../order.ts'
import type { V2Params } from './client.ts'

/** Fields set by the account, the order and the signature: `extra` must not change them. */
const OWN = new Set([
  'appid', 'mch_id', 'sub_appid', 'sub_mch_id', 'nonce_str', 'sign', 'sign_type', 'notify_url', 'out_trade_no', 'body', 'total_fee', 'fee_type',
  'trade_type', 'openid', 'sub_openid', 'product_id', 'auth_code', 'spbill_create_ip', 'attach', 'time_expire', 'device_info', 'goods_tag',
  'limit_pay', 'profit_sharing', 'receipt', 'detail', 'scene_info'
])

/** The parameters of an order, the same for every way to pay: a new object. `h5`: the page of an H5 order. */
export function orderParams (order: Order, h5?: Record<string, string>): Record<string, string | number | undefined> {
  const { outTradeNo, description, amount, attach, expiresAt, clientIp, deviceInfo, goodsTag, noCredit, limitPay, profitSharing, supportFapiao, detail, storeInfo: store, extra } = order
  if (limitPay?.some(way => way !== 'no_credit')) throw new WechatInputError('limitPay', 'can only be no_credit in v2')
  // No time_start: a repeat must have the same parameters, or WeChat treats it as a different order.
  const params = {
    out_trade_no: outTradeNo,
    body: description,
    total_fee: amount,
    attach,
    time_expire: expiresAt && toCompactChinaTime(expiresAt),
    spbill_create_ip: clientIp ?? '127.0.0.1',
    device_info: deviceInfo,
    goods_tag: goodsTag,
    limit_pay: noCredit ? 'no_credit' : limitPay?.[0],
    profit_sharing: profitSharing ? 'Y' : undefined,
    receipt: supportFapiao ? 'Y' : undefined,
    detail: detail && detailOf(detail),
    // v2 expects JSON in a field.
    scene_info: h5 || store ? JSON.stringify(sceneOf(h5, store)) : undefined
  }
  return extra ? Object.assign(params, further(extra)) : params
}

const sceneOf = (h5: Record<string, string> | undefined, store: StoreInfo | undefined) => ({
  ...(h5 && { h5_info: h5 }),
  ...(store && { store_info: { id: store.id, name: store.name, area_code: store.areaCode, address: store.address } })
})

function further (extra: Readonly<Record<string, unknown>>): V2Params {
  for (const [name, value] of Object.entries(extra)) {
    if (OWN.has(name)) throw new WechatInputError(`extra.${name}`, 'is already set by the order or the account')
    if (typeof value !== 'string' && typeof value !== 'number') throw new WechatInputError(`extra.${name}`, 'must be a string or a number in v2')
  }
  return extra as V2Params
}

function detailOf ({ costPrice, receiptId, goods }: OrderDetail): string {
  const text = JSON.stringify({
    cost_price: costPrice,
    receipt_id: receiptId,
    goods_detail: goods.map(({ id, wechatId, name, quantity, price }) => ({ goods_id: id, wxpay_goods_id: wechatId, goods_name: name, quantity, price }))
  })
  if (Buffer.byteLength(text) > 6000) throw new WechatInputError('detail', 'is longer than the 6000 bytes that v2 accepts')
  return text
}
