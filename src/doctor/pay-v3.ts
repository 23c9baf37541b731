/** WeChat Pay APIv3: queries of numbers that cannot exist, and the signatures of the answers. */
import { X509Certificate } from 'node:crypto'
import { pathOf } from '../http/http.ts'
import type { HttpReply } from '../http/http.ts'
import { nonce } from '../nonce.ts'
import { checkMerchant } from '../pay/merchant.ts'
import type { CheckedV3 } from '../pay/merchant.ts'
import { meaningOfV3 } from '../pay/v3/error-codes.ts'
import { verifyMessage } from '../pay/v3/message.ts'
import { decryptResource } from '../pay/v3/resource.ts'
import type { EncryptedResource } from '../pay/v3/resource.ts'
import { authorization } from '../pay/v3/sign.ts'
import { WechatNetworkError } from '../errors.ts'
import { check, fails, passes, skips, UNUSED, warns } from './check.ts'
import type { Bilingual, Finding } from './check.ts'
import type { CheckContext } from './context.ts'

interface Answer {
  status: number
  headers: HttpReply['headers']
  bytes: Buffer
  /** Undefined if it is not JSON. */
  json: Record<string, unknown> | undefined
  code: string
  message: string
  requestId: string | undefined
}

const hasV3 = ({ options: { merchant } }: CheckContext) => merchant?.v3 !== undefined

function merchantOf ({ options: { merchant }, endpoints }: CheckContext): CheckedV3 {
  // Only this version's keys: the other version has its own checks.
  const { notifyUrl: _notAskedFor, v2: _otherVersion, ...rest } = merchant as NonNullable<typeof merchant>
  return checkMerchant(rest, endpoints.pay).v3 as CheckedV3
}

/** A random number that no order has. */
const impossible = () => `DOCTOR-${nonce().slice(0, 20)}`

async function ask (context: CheckContext, path: string, query: Record<string, string> = {}): Promise<Answer> {
  const merchant = merchantOf(context)
  const call = { path, ...(Object.keys(query).length > 0 && { query }) }
  const { status, headers, body: bytes } = await context.http({
    name: path,
    method: 'GET',
    bases: [context.endpoints.pay, context.endpoints.payBackup],
    ...call,
    repeatable: true,
    headers: { accept: 'application/json', ...(merchant.publicKeyId && { 'wechatpay-serial': merchant.publicKeyId }) },
    freshHeaders: async base => ({ authorization: await authorization('GET', new URL(base).pathname.replace(/\/$/, '') + pathOf(call), '', merchant) })
  })
  let json: Answer['json']
  try {
    const value: unknown = JSON.parse(bytes.toString())
    if (value !== null && typeof value === 'object') json = value as Answer['json']
  } catch { /* HTML, or nothing */ }
  return { status, headers, bytes, json, code: String(json?.code ?? '').replace(/[^\w-]/g, ''), message: String(json?.message ?? ''), requestId: headers['request-id'] }
}

/** A failed call without a more specific result. */
const OTHERS = {
  refused: fails('WeChat Pay refused: {code} {message}', '微信支付拒绝：{code} {message}', 'Look up the code in docs/errors.md.', '请在 docs/zh-CN/errors.md 中查阅该错误码。'),
  foreign: fails('answered with HTTP {status}, but not with JSON: that is not WeChat Pay', '回复为 HTTP {status} 且不是 JSON：对端不是微信支付', 'A proxy or a firewall answers instead of WeChat Pay.', '可能是中间的代理或防火墙代答。'),
  lost: fails('no usable answer ({problem})', '没有得到可用的回复（{problem}）', 'Run it again. If the problem persists, something in between answers instead of WeChat Pay or cuts connections.', '请重试；若仍如此，中间可能有设备代答或切断了连接。')
}

const lost = (error: unknown): Finding<'lost'> => ({ outcome: 'lost', values: { problem: error instanceof WechatNetworkError ? error.reason : (error as Error).message } })

function refusedBy ({ status, json, code, message, requestId }: Answer): Finding<'refused' | 'foreign'> {
  if (!json || code === '') return { outcome: 'foreign', values: { status } }
  const meaning = meaningOfV3(code, requestId)
  return { outcome: 'refused', values: { code, message }, ...codes({ code, requestId }), ...(meaning && { advice: { en: meaning.advice, zh: meaning.adviceZh } satisfies Bilingual }) }
}

const codes = ({ code, requestId }: Pick<Answer, 'code' | 'requestId'>) => ({ wechatCode: code, requestId })

const NOT_FOUND = new Set(['ORDER_NOT_EXIST', 'ORDERNOTEXIST', 'RESOURCE_NOT_EXISTS', 'NOT_FOUND', 'NO_STATEMENT_EXIST', 'STATEMENT_CREATING'])

const orderQuery = (context: CheckContext) => context.fact('v3 order query', async () => {
  const { mchId, subMchId } = merchantOf(context)
  return subMchId === undefined
    ? await ask(context, `/v3/pay/transactions/out-trade-no/${impossible()}`, { mchid: mchId })
    : await ask(context, `/v3/pay/partner/transactions/out-trade-no/${impossible()}`, { sp_mchid: mchId, sub_mchid: subMchId })
})

const certificateList = (context: CheckContext) => context.fact('v3 certificates', async () => await ask(context, '/v3/certificates'))

/** WeChat Pay's message if it does not know the merchant; undefined for any other answer, and for none. */
export async function merchantRefusedByV3 (context: CheckContext): Promise<string | undefined> {
  const answer = hasV3(context) ? await orderQuery(context).catch(() => undefined) : undefined
  return answer && (answer.code === 'MCH_NOT_EXISTS' || (answer.code === 'SIGN_ERROR' && /商户号/.test(answer.message))) ? answer.message : undefined
}

interface Offered { serial_no?: string, expire_time?: string, encrypt_certificate?: EncryptedResource }
const offeredIn = ({ json }: Answer): Offered[] => Array.isArray(json?.data) ? json.data as Offered[] : []

/** Platform certificates that this merchant's key decrypts, by serial number. */
function opened (offered: readonly Offered[], keys: readonly string[]): Map<string, X509Certificate> {
  const found = new Map<string, X509Certificate>()
  for (const { encrypt_certificate: encrypted } of offered) {
    for (const key of keys) {
      try {
        const certificate = new X509Certificate(decryptResource(encrypted as EncryptedResource, key))
        found.set(certificate.serialNumber, certificate)
      } catch { /* with another key */ }
    }
  }
  return found
}

const v3KeysOf = ({ options: { merchant } }: CheckContext) => [merchant?.v3?.apiV3Key].flat().filter(key => typeof key === 'string')

/** China's date, some days ago. */
const chinaDay = (daysAgo: number) => new Date(Date.now() + 8 * 3600_000 - daysAgo * 86_400_000).toISOString().slice(0, 10)

const ANSWERED = { needs: ['v3.query'], online: true } as const

/** A query whose correct answer is "not found". */
async function permitted (context: CheckContext, path: string, query: Record<string, string>): Promise<'unused' | 'permitted' | Finding<'refused' | 'foreign' | 'lost'>> {
  if (!hasV3(context)) return 'unused'
  try {
    const { subMchId } = merchantOf(context)
    const answer = await ask(context, path, { ...query, ...(subMchId !== undefined && { sub_mchid: subMchId }) })
    return NOT_FOUND.has(answer.code) || (answer.status === 200 && answer.json) ? 'permitted' : refusedBy(answer)
  } catch (error) {
    return lost(error)
  }
}

export const payV3Checks = [
  check('v3.signature', {
    needs: ['keys.v3-key', 'keys.private-key', 'keys.certificate', 'keys.certificate-end', 'keys.serial-no', 'keys.public-key', 'pay.merchant'],
    online: true,
    messages: {
      unused: UNUSED,
      ...OTHERS,
      accepted: passes('WeChat Pay accepts this merchant\'s signature', '微信支付接受商户签名'),
      serial: fails('WeChat Pay does not know this serial number as the merchant\'s', '微信支付不认识该商户证书序列号', 'The certificate was replaced, or merchant.v3.serialNo belongs to another one: compare it in pay.weixin.qq.com, Account centre, API security.', '证书可能已更换，或 merchant.v3.serialNo 不对：请在商户平台「账户中心 - API 安全」核对。'),
      key: fails('WeChat Pay refuses the signature: the private key does not belong to the serial number', '签名被拒：私钥与证书序列号不配套', 'apiclient_key.pem belongs to a different certificate than merchant.v3.serialNo: take both from the same download.', 'apiclient_key.pem 与 merchant.v3.serialNo 不是同一张证书，请使用同一套文件。'),
      timestamp: fails('WeChat Pay refuses the time in the signature', '签名中的时间被拒', 'This machine\'s clock is more than five minutes off: synchronize it (NTP).', '本机时间偏差超过五分钟，请启用 NTP 校时。'),
      sign: fails('WeChat Pay refuses the signature: {message}', '签名被拒：{message}', 'Something in between may have changed the Authorization header or the URL.', '中间设备可能改动了 Authorization 头或请求地址。')
    },
    async run (context) {
      if (!hasV3(context)) return 'unused'
      let answer
      try {
        answer = await orderQuery(context)
      } catch (error) {
        return lost(error)
      }
      const { status, json, code, message } = answer
      if (!json || (status >= 400 && code === '')) return refusedBy(answer)
      if (status !== 401 && code !== 'SIGN_ERROR') return 'accepted'
      const outcome = /序列号/.test(message) ? 'serial' : /timestamp|时间/.test(message) ? 'timestamp' : /签名/.test(message) ? 'key' : 'sign'
      return { outcome, values: { message }, ...codes(answer) }
    }
  }),

  check('v3.query', {
    needs: ['v3.signature'],
    online: true,
    messages: {
      unused: UNUSED,
      ...OTHERS,
      absent: passes('a query of an unknown order is answered correctly', '查询不存在的订单，得到了预期的答复')
    },
    async run (context) {
      if (!hasV3(context)) return 'unused'
      const answer = await orderQuery(context)
      return NOT_FOUND.has(answer.code) ? { outcome: 'absent', ...codes(answer) } : refusedBy(answer)
    }
  }),

  check('v3.keys', {
    ...ANSWERED,
    messages: {
      unused: UNUSED,
      ...OTHERS,
      publicKey: passes('this merchant uses WeChat Pay\'s public key only', '该商户只使用微信支付公钥'),
      missing: fails('this merchant has no platform certificates: WeChat Pay\'s public key is required', '该商户没有平台证书，必须使用微信支付公钥', 'Download pub_key.pem from pay.weixin.qq.com, Account centre, API security, and set it as publicKey with its publicKeyId.', '请在商户平台「账户中心 - API 安全」下载 pub_key.pem，连同公钥 ID 填入 publicKey 与 publicKeyId。'),
      certificates: passes('{count} platform certificates, the last one valid until {end}', '{count} 张平台证书，最晚有效期至 {end}'),
      soon: warns('the last platform certificate expires on {end}', '最后一张平台证书将于 {end} 到期', 'WeChat Pay no longer issues them: switch to its public key (pay.weixin.qq.com, Account centre, API security).', '微信支付正停止更新平台证书，请切换到微信支付公钥（商户平台「账户中心 - API 安全」）。'),
      begun: passes('the switch is in progress: platform certificates and the public key both exist, and the public key signs the answers', '正在切换：平台证书与公钥并存，回复已由公钥签名'),
      waiting: passes('the switch is prepared: the public key exists, but platform certificates still sign the answers', '已配置公钥，但回复仍由平台证书签名：尚未点击「开始更换」')
    },
    async run (context) {
      if (!hasV3(context)) return 'unused'
      let list
      try {
        list = await certificateList(context)
      } catch (error) {
        return lost(error)
      }
      const { publicKeyId } = merchantOf(context)
      const offered = offeredIn(list)
      const none = offered.length === 0 && (list.status === 200 || NOT_FOUND.has(list.code) || list.code === 'NOT_ENOUGH')
      if (none && list.json) return publicKeyId ? 'publicKey' : { outcome: 'missing', ...codes(list) }
      if (list.status !== 200) return refusedBy(list)
      if (publicKeyId) {
        const { headers } = await orderQuery(context)
        return headers['wechatpay-serial']?.startsWith('PUB_KEY_ID_') ? 'begun' : 'waiting'
      }
      const end = offered.map(({ expire_time: end = '' }) => end).sort().at(-1) ?? ''
      const values = { count: offered.length, end: end.slice(0, 10) }
      return { outcome: Date.parse(end) - Date.now() < 30 * 86_400_000 ? 'soon' : 'certificates', values }
    }
  }),

  check('v3.api-v3-key', {
    needs: ['v3.keys'],
    online: true,
    messages: {
      unused: UNUSED,
      unknown: skips('apiV3Key cannot be checked before the first notification: WeChat Pay sends this merchant nothing else that is encrypted', '该商户只有回调是加密的：收到第一条回调时才能验证 apiV3Key'),
      proven: passes('apiV3Key decrypts WeChat Pay\'s certificates', '微信支付加密的证书可用 apiV3Key 解开'),
      wrong: fails('apiV3Key does not decrypt WeChat Pay\'s certificates', 'apiV3Key 解不开微信支付加密的内容', 'It is a different key: set it again in pay.weixin.qq.com, Account centre, API security (APIv3 key). No notification can be read before.', '密钥不对：请在商户平台「账户中心 - API 安全」重新设置 APIv3 密钥；在此之前回调都无法解密。')
    },
    async run (context) {
      if (!hasV3(context)) return 'unused'
      const offered = offeredIn(await certificateList(context))
      if (offered.length === 0) return 'unknown'
      return opened(offered, v3KeysOf(context)).size > 0 ? 'proven' : 'wrong'
    }
  }),

  check('v3.answer', {
    needs: ['v3.api-v3-key'],
    online: true,
    messages: {
      unused: UNUSED,
      publicKey: passes('answers are verified with WeChat Pay\'s public key', '已用微信支付公钥验证回复'),
      certificate: passes('answers are verified with platform certificate {serial}', '已用平台证书 {serial} 验证回复'),
      unsigned: fails('WeChat Pay\'s answer is not signed', '微信支付的回复没有签名', 'Something in between drops the Wechatpay-* headers.', '中间设备可能丢弃了 Wechatpay-Signature 等响应头。'),
      unknown: fails('the answer is signed with {serial}, which is not configured', '回复由 {serial} 签名，但未配置该密钥', 'Set merchant.v3.publicKeyId and publicKey to WeChat Pay\'s public key of that id (pay.weixin.qq.com, Account centre, API security).', '请把该 ID 对应的微信支付公钥填入 merchant.v3.publicKeyId 与 publicKey（商户平台「账户中心 - API 安全」）。'),
      false: fails('the answer\'s signature is invalid: {serial} is a different key, or the answer was changed in transit', '回复验签失败：{serial} 对应的密钥不对，或回复在途中被改动', 'Download publicKey and publicKeyId again: they may not belong together. Otherwise a proxy changes bodies.', '请确认 merchant.v3.publicKey 与 publicKeyId 配套（重新下载）；否则可能是代理改动了内容。')
    },
    async run (context) {
      if (!hasV3(context)) return 'unused'
      const { publicKeyId, publicKey } = merchantOf(context)
      const certificates = opened(offeredIn(await certificateList(context)), v3KeysOf(context))
      const { headers, bytes } = await orderQuery(context)
      const serial = String(headers['wechatpay-serial'] ?? '').replace(/[^\w-]/g, '').slice(0, 80)
      const verdict = await verifyMessage(headers, bytes, async serial => serial === publicKeyId ? publicKey : certificates.get(serial.toUpperCase())?.publicKey)
      if (verdict === 'unsigned') return 'unsigned'
      if (verdict === 'unknown key') return { outcome: 'unknown', values: { serial } }
      if (verdict !== 'genuine') return { outcome: 'false', values: { serial } }
      return serial === publicKeyId ? 'publicKey' : { outcome: 'certificate', values: { serial } }
    }
  }),

  check('v3.refunds', {
    ...ANSWERED,
    messages: { unused: UNUSED, ...OTHERS, permitted: passes('refunds can be queried', '可以查询退款') },
    run: async context => await permitted(context, `/v3/refund/domestic/refunds/${impossible()}`, {})
  }),

  check('v3.bills', {
    ...ANSWERED,
    messages: { unused: UNUSED, ...OTHERS, permitted: passes('bills can be requested', '可以获取账单') },
    run: async context => await permitted(context, '/v3/bill/tradebill', { bill_date: chinaDay(2), bill_type: 'ALL' })
  }),

  check('v3.ways', {
    messages: { unused: UNUSED, unknown: skips('the enabled ways to pay cannot be checked without an order: pay one fen with each', '支付产品是否开通，不下单无法得知：请各支付一分钱确认') },
    run: context => hasV3(context) ? 'unknown' : 'unused'
  })
]
