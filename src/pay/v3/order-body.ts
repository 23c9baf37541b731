/** An order in APIv3's words: WeChat Pay APIv3 documentation, "Place an order" and "Code payment". */
import { WechatInputError } from '../../errors.ts'
import { toRfc3339ChinaTime } from '../china-time.ts'
import type { CheckedV3 } from '../merchant.ts'
import { h5Info } from '../order.ts'
import type { MicropayOrder, Order, OrderDetail } from '../order.ts'
import type { Placing } from '../version.ts'
import type { Json } from './payment.ts'

/** What the account and the order say: no further field may say it otherwise. */
const OWN = new Set(['appid', 'mchid', 'sp_appid', 'sp_mchid', 'sub_appid', 'sub_mchid', 'description', 'out_trade_no', 'amount', 'notify_url', 'payer'])

/** Who sells, as orders and reversals say it. */
export function idsOf (appId: string, { mchId, subMchId, subAppId }: CheckedV3): Json {
  return subMchId === undefined
    ? { appid: appId, mchid: mchId }
    : { sp_appid: appId, ...(subAppId && { sub_appid: subAppId }), sp_mchid: mchId, sub_mchid: subMchId }
}

export function orderBody (placing: Placing, appId: string, merchant: CheckedV3, notifyUrl: string): Json {
  const { order } = placing
  const { expiresAt, clientIp, deviceInfo, storeInfo: store } = order
  if (order.noCredit) throw new WechatInputError('noCredit', 'is not offered by APIv3 to all: those who have it say limitPay: [\'no_credit\']')
  if (store && !clientIp) throw new WechatInputError('clientIp', 'is required with storeInfo: APIv3 takes no scene without the payer\'s IP address')
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
    // WeChat refuses a scene without the payer's address.
    ...(clientIp && { scene_info: scene })
  }, order.extra)
}

/** Pay by code has no notification and no end of its own: it is over within the minute. */
export function codeBody (order: MicropayOrder, appId: string, merchant: CheckedV3): Json {
  const { clientIp, deviceInfo, storeInfo: store } = order
  for (const field of ['noCredit', 'limitPay'] as const) if (order[field]) throw new WechatInputError(field, 'is not offered by APIv3 for pay by code')
  return withFurther({
    ...idsOf(appId, merchant),
    ...common(order, 'wxpay_goods_id'),
    payer: { auth_code: order.authCode },
    scene_info: {
      ...(deviceInfo && { device_id: deviceInfo }),
      ...(clientIp && { device_ip: clientIp }),
      // WeChat wants a shop; who has but one need not name it.
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

/** The body with the host's further fields in it, which add and never replace. @throws WechatInputError naming the field */
function withFurther (body: Json, extra: Readonly<Json> = {}, at = 'extra', own: ReadonlySet<string> = OWN): Json {
  const all = { ...body }
  for (const [name, value] of Object.entries(extra)) {
    const said = body[name]
    if (own.has(name) || (said !== undefined && !(isObject(said) && isObject(value)))) throw new WechatInputError(`${at}.${name}`, 'is said by the order or the account itself')
    all[name] = isObject(said) ? withFurther(said, value as Json, `${at}.${name}`, NONE) : value
  }
  return all
}

const NONE: ReadonlySet<string> = new Set()
const isObject = (value: unknown): value is Json => value !== null && typeof value === 'object' && !Array.isArray(value)
