/** An order as an APIv3 body: WeChat Pay APIv3 documentation, "Place an order" and "Code payment". */
import { WechatInputError } from '../../errors.ts'
import { toRfc3339ChinaTime } from '../china-time.ts'
import type { CheckedV3 } from '../merchant.ts'
import { h5Info } from '../order.ts'
import type { MicropayOrder, Order, OrderDetail } from '../order.ts'
import type { Placing } from '../version.ts'
import type { Json } from './payment.ts'

/** Fields set by the account and the order: `extra` must not change them. */
const OWN = new Set(['appid', 'mchid', 'sp_appid', 'sp_mchid', 'sub_appid', 'sub_mchid', 'description', 'out_trade_no', 'amount', 'notify_url', 'payer'])

/** The seller, in orders and reversals. */
export function idsOf (appId: string, { mchId, subMchId, subAppId }: CheckedV3): Json {
  return subMchId === undefined
    ? { appid: appId, mchid: mchId }
    : { sp_appid: appId, ...(subAppId && { sub_appid: subAppId }), sp_mchid: mchId, sub_mchid: subMchId }
}

export function orderBody (placing: Placing, appId: string, merchant: CheckedV3, notifyUrl: string): Json {
  const { order } = placing
  const { expiresAt, clientIp, deviceInfo, storeInfo: store } = order
  if (order.noCredit) throw new WechatInputError('noCredit', 'is not available to all merchants in APIv3: if you have it, use limitPay: [\'no_credit\']')
  if (store && !clientIp) throw new WechatInputError('clientIp', 'is required with storeInfo: APIv3 refuses store information without the payer\'s IP address')
  const h5 = placing.way === 'H5' ? h5Info(placing.order, 'app_url', 'app_name') : undefined
  const scene = {
    payer_client_ip: clientIp,
    ...(deviceInfo && { device_id: deviceInfo }),
    ...(store && { store_info: { id: store.id, name: store.name, area_code: store.areaCode, address: store.address } }),
    ...(h5 && { h5_info: h5 })
  }
  return withFurther({
    ...idsOf(appId, merchant),
    ...common(order, 'wechatpay_goods_id'),
    ...(expiresAt && { time_expire: toRfc3339ChinaTime(expiresAt) }),
    notify_url: notifyUrl,
    ...(order.limitPay && { limit_pay: order.limitPay }),
    ...(placing.way === 'JSAPI' && { payer: payer(placing.order.openid, merchant) }),
    // WeChat refuses scene_info without the payer's IP address.
    ...(clientIp && { scene_info: scene })
  }, order.extra)
}

/** Pay by code has no notification and no expiry: it is over within a minute. */
export function codeBody (order: MicropayOrder, appId: string, merchant: CheckedV3): Json {
  const { clientIp, deviceInfo, storeInfo: store } = order
  for (const field of ['noCredit', 'limitPay'] as const) if (order[field]) throw new WechatInputError(field, 'is not available for pay by code in APIv3')
  return withFurther({
    ...idsOf(appId, merchant),
    ...common(order, 'wxpay_goods_id'),
    payer: { auth_code: order.authCode },
    scene_info: {
      ...(deviceInfo && { device_id: deviceInfo }),
      ...(clientIp && { device_ip: clientIp }),
      // WeChat requires a store; merchants with a single one need not name it.
      store_info: store?.placeId ? { id: store.placeId } : { out_id: store?.id ?? deviceInfo ?? merchant.subMchId ?? merchant.mchId }
    }
  }, order.extra)
}

function payer (openid: string, { subMchId, subAppId }: CheckedV3): Json {
  return subMchId === undefined ? { openid } : { [subAppId === undefined ? 'sp_openid' : 'sub_openid']: openid }
}

function common ({ outTradeNo, description, amount, attach, goodsTag, supportFapiao, profitSharing, detail }: Order, wechatGoodsId: string): Json {
  return {
    description,
    out_trade_no: outTradeNo,
    ...(attach && { attach }),
    ...(goodsTag && { goods_tag: goodsTag }),
    ...(supportFapiao && { support_fapiao: true }),
    amount: { total: amount, currency: 'CNY' },
    ...(detail && { detail: detailOf(detail, wechatGoodsId) }),
    ...(profitSharing && { settle_info: { profit_sharing: true } })
  }
}

function detailOf ({ costPrice, receiptId, goods }: OrderDetail, wechatGoodsId: string): Json {
  return {
    cost_price: costPrice,
    invoice_id: receiptId,
    goods_detail: goods.map(({ id, wechatId, name, quantity, price }) => ({ merchant_goods_id: id, [wechatGoodsId]: wechatId, goods_name: name, quantity, unit_price: price }))
  }
}

/** Merges `extra` into the body: it can add fields, never replace them. @throws WechatInputError naming the field */
function withFurther (body: Json, extra: Readonly<Json> = {}, at = 'extra', own: ReadonlySet<string> = OWN): Json {
  const all = { ...body }
  for (const [name, value] of Object.entries(extra)) {
    const existing = body[name]
    if (own.has(name) || (existing !== undefined && !(isObject(existing) && isObject(value)))) throw new WechatInputError(`${at}.${name}`, 'is already set by the order or the account')
    all[name] = isObject(existing) ? withFurther(existing, value as Json, `${at}.${name}`, NONE) : value
  }
  return all
}

const NONE: ReadonlySet<string> = new Set()
const isObject = (value: unknown): value is Json => value !== null && typeof value === 'object' && !Array.isArray(value)
