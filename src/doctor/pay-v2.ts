/** WeChat Pay v2: a query of an order that cannot exist, with both signatures, and the client certificate. */
import { WechatNetworkError } from '../errors.ts'
import type { Http } from '../http/http.ts'
import { nonce } from '../nonce.ts'
import { checkMerchant } from '../pay/merchant.ts'
import type { CheckedV2 } from '../pay/merchant.ts'
import { meaningOf } from '../pay/v2/error-codes.ts'
import { signV2, verifyV2 } from '../pay/v2/sign.ts'
import type { SignType } from '../pay/v2/sign.ts'
import { writeXml } from '../pay/v2/write-xml.ts'
import { readXml } from '../pay/v2/xml.ts'
import type { Fields } from '../pay/v2/xml.ts'
import { check, fails, passes, skips, UNUSED, warns } from './check.ts'
import type { Finding } from './check.ts'
import { clientCertificate } from './client-certificate.ts'
import type { CheckContext } from './context.ts'
import { merchantRefusedByV3 } from './pay-v3.ts'

interface Answer {
  status: number
  /** Undefined if it is not XML in WeChat's format. */
  fields: Fields | undefined
  code: string
  message: string
}

const hasV2 = ({ options: { merchant } }: CheckContext) => merchant?.v2 !== undefined

function merchantOf ({ options: { merchant }, endpoints }: CheckContext): CheckedV2 {
  const { notifyUrl: _notAskedFor, v3: _otherVersion, v2, ...rest } = merchant as NonNullable<typeof merchant>
  // Without the certificate, which has its own checks and is used by one call only.
  const { pfx: _pfx, cert: _cert, key: _key, ...signing } = v2 as NonNullable<typeof v2>
  return checkMerchant({ ...rest, v2: signing }, endpoints.pay).v2 as CheckedV2
}

async function ask (context: CheckContext, path: string, params: Fields, signType: SignType, http: Http = context.http): Promise<Answer> {
  const fields: Fields = { ...params, nonce_str: nonce() }
  fields.sign = signV2(fields, merchantOf(context).apiKey, signType)
  const { status, body } = await http({
    name: path,
    method: 'POST',
    bases: [context.endpoints.pay, context.endpoints.payBackup],
    path,
    repeatable: true,
    headers: { 'content-type': 'text/xml; charset=utf-8' },
    body: writeXml(fields)
  })
  let answer: Fields | undefined
  try {
    answer = readXml(body)
  } catch { /* HTML, or nothing */ }
  return { status, fields: answer, code: (answer?.err_code ?? '').replace(/[^\w-]/g, ''), message: answer?.err_code_des ?? answer?.return_msg ?? answer?.retmsg ?? '' }
}

const orderQuery = (context: CheckContext, signType: SignType) => context.fact(`v2 order query ${signType}`, async () => {
  const { mchId, subMchId, subAppId } = merchantOf(context)
  return await ask(context, '/pay/orderquery', {
    appid: context.options.appId ?? '',
    mch_id: mchId,
    ...(subMchId && { sub_mch_id: subMchId, ...(subAppId && { sub_appid: subAppId }) }),
    out_trade_no: `DOCTOR${nonce().slice(0, 20)}`,
    sign_type: signType
  }, signType)
})

/** WeChat Pay's message if it does not know the merchant; undefined for any other answer, and for none. */
async function merchantRefusedByV2 (context: CheckContext): Promise<string | undefined> {
  const answer = hasV2(context) ? await orderQuery(context, usual(context)).catch(() => undefined) : undefined
  if (!answer) return undefined
  const { fields, code, message } = answer
  return code === 'MCHID_NOT_EXIST' || (fields?.return_code === 'FAIL' && /mch_id|商户号/.test(message) && !/appid/i.test(message)) ? message : undefined
}

const usual = ({ options: { merchant } }: CheckContext): SignType => merchant?.v2?.signType ?? 'MD5'
const other = (context: CheckContext): SignType => usual(context) === 'MD5' ? 'HMAC-SHA256' : 'MD5'

const OTHERS = {
  refused: fails('WeChat Pay refused: {code} {message}', '微信支付拒绝：{code} {message}', 'Look up the code in docs/errors.md.', '请在 docs/zh-CN/errors.md 中查阅该错误码。'),
  foreign: fails('answered with HTTP {status}, but not with WeChat Pay\'s XML', '回复为 HTTP {status}，且不是微信支付的 XML', 'A proxy or a firewall answers instead of WeChat Pay.', '可能是中间的代理或防火墙代答。'),
  lost: fails('no usable answer ({problem})', '没有得到可用的回复（{problem}）', 'Run it again. If the problem persists, something in between answers instead of WeChat Pay or cuts connections.', '请重试；若仍如此，中间可能有设备代答或切断了连接。')
}

const lost = (error: unknown): Finding<'lost'> => ({ outcome: 'lost', values: { problem: error instanceof WechatNetworkError ? error.reason : (error as Error).message } })

function refusedBy ({ status, fields, code, message }: Answer): Finding<'refused' | 'foreign'> {
  if (!fields?.return_code) return { outcome: 'foreign', values: { status } }
  const meaning = meaningOf(code, message)
  return { outcome: 'refused', values: { code, message }, ...(code && { wechatCode: code }), ...(meaning && { advice: { en: meaning.advice, zh: meaning.adviceZh } }) }
}

const NOT_FOUND = new Set(['ORDERNOTEXIST', 'ORDER_NOT_EXIST', 'NOT_FOUND', 'RESOURCE_NOT_EXISTS'])
const SIGNATURE = /^签名错误|sign/i

export const payV2Checks = [
  check('pay.merchant', {
    needs: ['keys.mch-id', 'server.clock'],
    online: true,
    messages: {
      unused: UNUSED,
      accepted: passes('WeChat Pay accepts the mchId', '微信支付认可该商户号'),
      unknown: fails('WeChat Pay does not know this merchant: {message}', '微信支付不认识该商户号：{message}', 'Compare merchant.mchId with pay.weixin.qq.com, Account centre.', '请在商户平台「账户中心」核对 merchant.mchId。')
    },
    async run (context) {
      if (!context.options.merchant) return 'unused'
      // With either version; problems with its keys are reported elsewhere.
      const [v2, v3] = await Promise.all([merchantRefusedByV2(context), merchantRefusedByV3(context)])
      const message = v2 ?? v3
      return message === undefined ? 'accepted' : { outcome: 'unknown', values: { message } }
    }
  }),

  check('v2.reply', {
    needs: ['keys.app-id', 'keys.v2-key', 'pay.merchant'],
    online: true,
    messages: { unused: UNUSED, ...OTHERS, answers: passes('WeChat Pay v2 answers', '微信支付 v2 有响应') },
    async run (context) {
      if (!hasV2(context)) return 'unused'
      try {
        const answer = await orderQuery(context, usual(context))
        return answer.fields?.return_code ? 'answers' : refusedBy(answer)
      } catch (error) {
        return lost(error)
      }
    }
  }),

  check('pay.app-id', {
    needs: ['v2.reply', 'account.app-id'],
    online: true,
    messages: {
      unused: skips('only v2 can check this without an order: the first order shows whether appId is bound to the merchant', '只有 v2 能在不下单时看出：首次下单即可确认 appId 与商户号是否已绑定'),
      bound: passes('appId is bound to the merchant', 'appId 已与商户号绑定'),
      unbound: fails('appId is not bound to the merchant: {message}', 'appId 未与商户号绑定：{message}', 'Bind it in pay.weixin.qq.com (Product centre, AppID), and confirm it in mp.weixin.qq.com.', '请在商户平台「产品中心 - AppID 账号管理」发起绑定，并在公众平台确认。')
    },
    async run (context) {
      if (!hasV2(context)) return 'unused'
      const { fields, code, message } = await orderQuery(context, usual(context))
      const isRefused = /^APPID/.test(code) || code === 'MCHID_APPID_ERROR' || (fields?.return_code === 'FAIL' && /appid/i.test(message))
      return isRefused ? { outcome: 'unbound', values: { message }, ...(code && { wechatCode: code }) } : 'bound'
    }
  }),

  check('v2.signature', {
    needs: ['pay.app-id'],
    online: true,
    messages: {
      unused: UNUSED,
      ...OTHERS,
      accepted: passes('WeChat Pay accepts the {type} signature', '微信支付接受 {type} 签名'),
      wrong: fails('WeChat Pay refuses the {type} signature', '{type} 签名被拒', 'merchant.v2.apiKey is a different key: set it again in pay.weixin.qq.com, Account centre, API security (API key, v2). It is not the APIv3 key.', 'merchant.v2.apiKey 不对：请在商户平台「账户中心 - API 安全」重新设置 APIv2 密钥（与 APIv3 密钥不同）。')
    },
    async run (context) {
      if (!hasV2(context)) return 'unused'
      const answer = await orderQuery(context, usual(context))
      const values = { type: usual(context) }
      if (NOT_FOUND.has(answer.code)) return { outcome: 'accepted', values, wechatCode: answer.code }
      return SIGNATURE.test(answer.message) || /^SIGN_?ERROR$/.test(answer.code) ? { outcome: 'wrong', values } : refusedBy(answer)
    }
  }),

  check('v2.other-signature', {
    needs: ['v2.signature'],
    online: true,
    messages: {
      unused: UNUSED,
      ...OTHERS,
      accepted: passes('WeChat Pay accepts the {type} signature, too', '微信支付也接受 {type} 签名'),
      wrong: warns('WeChat Pay refuses the {type} signature', '{type} 签名被拒', 'Orders use the other signature type, but some calls accept only this one: ask WeChat Pay\'s support.', '下单用的是另一种签名，但部分接口只接受这一种，请联系微信支付客服。')
    },
    async run (context) {
      if (!hasV2(context)) return 'unused'
      try {
        const answer = await orderQuery(context, other(context))
        const values = { type: other(context) }
        if (NOT_FOUND.has(answer.code)) return { outcome: 'accepted', values, wechatCode: answer.code }
        return SIGNATURE.test(answer.message) ? { outcome: 'wrong', values } : refusedBy(answer)
      } catch (error) {
        return lost(error)
      }
    }
  }),

  check('v2.answer', {
    needs: ['v2.signature'],
    online: true,
    messages: {
      unused: UNUSED,
      verified: passes('answers are verified with apiKey', '已用 apiKey 验证回复'),
      false: fails('the answer\'s signature is missing or wrong', '回复缺少签名或验签失败', 'Something in between changes answers: check proxies.', '中间设备改动了回复，请检查代理。')
    },
    async run (context) {
      if (!hasV2(context)) return 'unused'
      const { fields } = await orderQuery(context, usual(context))
      return fields && verifyV2(fields, merchantOf(context).apiKey, usual(context)) ? 'verified' : 'false'
    }
  }),

  check('v2.client-certificate', {
    needs: ['v2.signature', 'keys.client-certificate-end'],
    online: true,
    messages: {
      unused: UNUSED,
      none: skips('no client certificate is configured: v2 refunds and reversals require one', '未配置客户端证书：v2 的退款与撤销需要它'),
      ...OTHERS,
      accepted: passes('WeChat Pay accepts the client certificate', '微信支付接受客户端证书'),
      wrong: fails('WeChat Pay does not accept the client certificate: {message}', '微信支付不接受该客户端证书：{message}', 'It was replaced, or belongs to another merchant: download it again from pay.weixin.qq.com, Account centre, API security.', '证书可能已更换，或属于其他商户号：请在商户平台「账户中心 - API 安全」重新下载。')
    },
    async run (context) {
      if (!hasV2(context)) return 'unused'
      const { shown } = clientCertificate(context)
      if (!shown) return 'none'
      const path = '/mmpaymkttransfers/gettransferinfo'
      try {
        // Queries a transfer that cannot exist; like all calls of this kind it is signed with MD5.
        const answer = await ask(context, path, { appid: context.options.appId ?? '', mch_id: merchantOf(context).mchId, partner_trade_no: `DOCTOR${nonce().slice(0, 20)}` }, 'MD5', context.httpWith(shown))
        const { status, fields, code, message } = answer
        if (!fields) return status === 400 ? { outcome: 'wrong', values: { message: `HTTP ${status}` } } : refusedBy(answer)
        // Any other error is fine: a refused certificate has its own error.
        return /^(?:CA|CERT)_ERROR$/.test(code) || /证书/.test(message) ? { outcome: 'wrong', values: { message }, ...(code && { wechatCode: code }) } : 'accepted'
      } catch (error) {
        return lost(error)
      }
    }
  }),

  check('v2.sandbox', {
    messages: {
      unused: UNUSED,
      off: passes('payments are real', '使用正式环境'),
      on: warns('merchant.v2.sandbox is on: orders cannot really be paid', 'merchant.v2.sandbox 已开启：订单无法真正支付', 'Remove it to go live.', '上线前请去掉。')
    },
    run: ({ options: { merchant } }) => !merchant?.v2 ? 'unused' : merchant.v2.sandbox ? 'on' : 'off'
  })
]
