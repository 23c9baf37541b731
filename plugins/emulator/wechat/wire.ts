/** The formats of WeChat's replies. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { signV2 } from '../../../src/pay/v2/sign.ts'
import type { SignType } from '../../../src/pay/v2/sign.ts'
import type { State } from '../state/state.ts'

/** An error of api.weixin.qq.com: HTTP 200, the code in the body. `withRid` adds the request id. */
export const refuse = (errcode: number, errmsg: string) => ({ errcode, errmsg })

/** Appends the request id to an error's message; `/sns/` puts a comma before it, `/cgi-bin/` does not (seen six times). */
export function withRid (answer: object, { random: { hex } }: State, comma: '' | ',' = ''): object {
  return 'errcode' in answer && 'errmsg' in answer && answer.errcode !== 0
    ? { ...answer, errmsg: `${answer.errmsg}${comma} rid: ${hex(4)}-${hex(4)}-${hex(4)}` }
    : answer
}

/** Undefined unless the body is a JSON object, whatever the content type says. */
export const bodyJson = (request: FastifyRequest) => jsonObject(String(request.body))

export function jsonObject (text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return value !== null && typeof value === 'object' ? value as Record<string, unknown> : undefined
  } catch {
    return undefined
  }
}

/** `''` is omitted; `null` becomes an empty element. */
export type Values = Record<string, string | number | null>

/** v2's XML as WeChat writes it: strings in CDATA, numbers bare. */
export function v2Xml (values: Values, root = 'xml'): string {
  const cdata = (value: string) => `<![CDATA[${value.replaceAll(']]>', ']]]]><![CDATA[>')}]]>`
  const elements = Object.entries(values).map(([name, value]) => `<${name}>${typeof value === 'number' ? value : cdata(value ?? '')}</${name}>`)
  return `<${root}>${elements.join('\n')}</${root}>`
}

/** WeChat sends its XML as text/plain. */
export function sendV2 (reply: FastifyReply, values: Values) {
  return reply.type('text/plain').send(v2Xml(values))
}

/** The call itself failed: the answer has no other fields and no signature. */
export const callFailed = (message: string): Values => ({ return_code: 'FAIL', return_msg: message })

/** The signing parameters and common fields of v2 answers and notifications. */
export interface V2Signer {
  state: State
  signType: SignType
  /** The merchant's API key, or the sandbox's. */
  apiKey: string
  sub?: { sub_mch_id: string, sub_appid: string }
  includesAppid?: boolean
}

/** The answer to a verified call, signed with the call's algorithm. */
export function signed ({ state, signType, apiKey, sub, includesAppid = true }: V2Signer, values: Values): Values {
  const { appId, mchId } = state.account
  const all = withoutEmpty({ return_code: 'SUCCESS', return_msg: 'OK', ...(includesAppid && { appid: appId }), mch_id: mchId, ...sub, nonce_str: state.random.hex(8), ...values })
  return { ...all, sign: signV2(Object.fromEntries(Object.entries(all).map(([name, value]) => [name, String(value ?? '')])), apiKey, signType) }
}

const withoutEmpty = (values: Values): Values => Object.fromEntries(Object.entries(values).filter(([, value]) => value !== ''))

export const businessFailed = (code: string, description: string): Values => ({ result_code: 'FAIL', err_code: code, err_code_des: description })
