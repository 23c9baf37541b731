/** The probe for the notify route: with the size and bytes of a real notification, signed as a probe. */
import { randomBytes } from 'node:crypto'
import { digestOf, PROBE_HEADER, PROBE_STATUS, readProbeAnswer, signProbe } from '../pay/notify-probe.ts'
import type { ProbeReport } from '../pay/notify-probe.ts'
import type { CheckContext } from './context.ts'
import { hit } from './reach.ts'
import type { Hit } from './reach.ts'

export const notifyUrlOf = ({ options: { merchant } }: CheckContext): URL | undefined => merchant?.notifyUrl === undefined ? undefined : new URL(merchant.notifyUrl)

/** The version of the probe, if the merchant has both. */
const isV2 = ({ options: { version, merchant } }: CheckContext): boolean => !merchant?.v3 || (version === 'v2' && merchant.v2 !== undefined)

/** In WeChat's format; `size`: of the whole body. */
function v2Notification (size: number): Buffer {
  const document = (attach: string) => Buffer.from(`<xml><appid><![CDATA[wechat-doctor]]></appid>\n<attach><![CDATA[支付${attach}]]></attach>\n<fee_type><![CDATA[CNY]]></fee_type>\n<return_code><![CDATA[SUCCESS]]></return_code>\n<total_fee>1</total_fee>\n</xml>`)
  return document(randomBytes(size).toString('base64').slice(0, size - document('').length))
}

function v3Notification (size: number): Buffer {
  const envelope = (ciphertext: string) => Buffer.from(JSON.stringify({
    id: 'wechat-doctor',
    create_time: new Date().toISOString(),
    resource_type: 'encrypt-resource',
    event_type: 'TRANSACTION.SUCCESS',
    summary: '支付成功',
    resource: { original_type: 'transaction', algorithm: 'AEAD_AES_256_GCM', ciphertext, associated_data: 'transaction', nonce: 'doctor' }
  }))
  return envelope(randomBytes(size).toString('base64').slice(0, size - envelope('').length))
}

/** With a fake signature. */
const headersOf = (context: CheckContext): Record<string, string> => ({
  'user-agent': 'Mozilla/4.0',
  accept: '*/*',
  pragma: 'no-cache',
  ...(isV2(context)
    ? { 'content-type': 'text/xml' }
    : {
        'content-type': 'application/json',
        'wechatpay-nonce': randomBytes(16).toString('hex'),
        'wechatpay-serial': 'PUB_KEY_ID_0000000000000000000000000000',
        'wechatpay-timestamp': String(Math.floor(Date.now() / 1000)),
        'wechatpay-signature': randomBytes(256).toString('base64')
      })
})

/** Headers that a notification requires. */
export const neededHeaders = (context: CheckContext): string[] => Object.keys(headersOf(context)).filter(name => /^(?:content-type|wechatpay-.*)$/.test(name))

/** A documentation address (RFC 5737): a server that believes it believes any forged header. */
export const FORGED_ADDRESS = '203.0.113.77'

export interface Probed {
  hit: Hit | { problem: string }
  report: ProbeReport | undefined
  sent: { digest: string, length: number }
}

/** Bytes: of a typical notification, and of the largest that the route accepts. */
export const USUAL = 2000
export const LARGE = 60_000

export async function probed (context: CheckContext, size: number): Promise<Probed> {
  return await context.fact(`probe ${size}`, async () => {
    const url = notifyUrlOf(context) as URL
    const merchant = context.options.merchant as NonNullable<typeof context.options.merchant>
    const body = isV2(context) ? v2Notification(size) : v3Notification(size)
    const probe = signProbe(merchant, body)
    const answer = await hit(url, {
      method: 'POST',
      body,
      ca: context.settings.ca,
      headers: { ...headersOf(context), 'x-forwarded-for': FORGED_ADDRESS, [PROBE_HEADER]: probe }
    })
    const report = 'status' in answer && answer.status === PROBE_STATUS ? readProbeAnswer(merchant, probe, answer.body) : undefined
    return { hit: answer, report, sent: { digest: digestOf(body), length: body.length } }
  })
}

/** The report of the typical probe, for further checks. */
export const usualReport = async (context: CheckContext): Promise<ProbeReport | undefined> =>
  notifyUrlOf(context) && (await probed(context, USUAL)).report
