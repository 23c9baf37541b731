/** A scanned QR code: a NATIVE order of mode 2, or of mode 1, for which WeChat asks the merchant for the order. */
import { signV2, verifyV2 } from '../../../../src/pay/v2/sign.ts'
import type { Fields } from '../../../../src/pay/v2/xml.ts'
import type { V2Orders } from '../v2/orders.ts'
import { readRequestXml } from '../v2/request-xml.ts'
import { v2Xml } from '../wire.ts'
import { createPoster } from '../../notifications/post.ts'
import { userOf } from '../../state/state.ts'
import type { Order, State } from '../../state/state.ts'

/** The order to pay, or WeChat's error message. */
export async function scan (text: string, state: State, orders: V2Orders, openid: string | undefined): Promise<Order | string> {
  const order = orders.byCodeUrl(text)
  if (order) return order.trade_state === 'NOTPAY' ? order : '订单已支付或已关闭'
  const query = /^weixin:\/\/wxpay\/bizpayurl\?(.*sign=.*)$/.exec(text)?.[1]
  if (!query) return '二维码已失效'
  const { account } = state
  const code = Object.fromEntries(new URLSearchParams(query)) as Fields
  const signType = code.sign?.length === 64 ? 'HMAC-SHA256' : 'MD5'
  if (code.appid !== account.appId || code.mch_id !== account.mchId || !verifyV2(code, account.apiKey, signType)) return '签名错误'
  if (!state.nativeUrl) return '商户未设置扫码支付回调URL'

  const params = { appid: account.appId, mch_id: account.mchId, openid: userOf(state, openid).openid, is_subscribe: 'Y', nonce_str: state.random.hex(16), product_id: String(code.product_id) }
  let answer: Fields
  try {
    const reply = await createPoster().post(state.nativeUrl, { headers: { 'content-type': 'text/xml' }, body: v2Xml({ ...params, sign: signV2(params, account.apiKey, signType) }) })
    answer = (await readRequestXml(reply.body)).fields
  } catch {
    return '商户应答异常'
  }
  if (answer.return_code !== 'SUCCESS' || !verifyV2(answer, account.apiKey, signType)) return '商户应答异常'
  if (answer.result_code !== 'SUCCESS') return answer.err_code_des ?? '商户应答异常'
  return orders.byPrepayId(answer.prepay_id ?? '') ?? '订单不存在或已过期'
}
