/** Calls of WeChat Pay v2: parameters signed, the answer verified before anything in it is believed. */
import { redact, WechatApiError, WechatConfigError, WechatReplyError } from '../../errors.ts'
import { createHttp } from '../../http.ts'
import type { Http, HttpOptions, HttpRequest } from '../../http.ts'
import { nonce } from '../../nonce.ts'
import { retry } from '../../retry.ts'
import { endOf, refuseExpired } from '../certificate.ts'
import type { CheckedV2 } from '../merchant.ts'
import { endpointOf } from './endpoints.ts'
import type { Endpoint } from './endpoints.ts'
import { meaningOf } from './error-codes.ts'
import { createSandbox } from './sandbox.ts'
import { signV2, verifyV2 } from './sign.ts'
import { readXml, writeXml, XmlShapeError } from './xml.ts'
import type { Fields } from './xml.ts'

export interface V2PostOptions {
  /** The call needs the merchant's client certificate. Default: what WeChat's documentation says of this path. */
  cert?: boolean
  /** WeChat acts at most once however often this very call arrives, so that an unknown outcome may be repeated. Default: as documented, else false. */
  repeatable?: boolean
}

export type V2Params = Readonly<Record<string, string | number | undefined>>

export interface V2Client {
  /**
   * Any v2 call: adds appid, mch_id (and sub_mch_id), nonce_str, sign_type and sign as the path wants them; returns the
   * verified fields of the answer.
   * @throws WechatApiError with err_code (or return_msg); WechatReplyError; WechatNetworkError; WechatConfigError if a certificate is needed and none was given
   */
  post (path: string, params: V2Params, options?: V2PostOptions): Promise<Fields>
  /** A call that answers with a file: its bytes as they arrive, or the typed error that came instead. */
  download (path: string, params: V2Params, options?: V2PostOptions): Promise<AsyncIterable<Buffer>>
}

export interface V2ClientParts {
  http: HttpOptions | undefined
  /** Base URLs: WeChat Pay's host and its stand-by. */
  bases: readonly string[]
  appId: string
  merchant: CheckedV2
}

/** The client, and what signs besides it: the front end's parameters. */
export interface V2Caller extends V2Client {
  /** The key that signs: the merchant's, or the sandbox's. */
  apiKey (): Promise<string>
}

export function createV2Client ({ http: options, bases, appId, merchant }: V2ClientParts): V2Caller {
  const { mchId, subMchId, subAppId } = merchant
  const plain = createHttp(options)
  let withCertificate: { http: Http, validTo: string } | undefined
  const sandbox = merchant.sandbox ? createSandbox(plain, bases, merchant) : undefined
  const apiKey = async () => sandbox ? await sandbox.key() : merchant.apiKey

  function httpFor (cert: boolean): Http {
    if (!cert) return plain
    const { certificate } = merchant
    if (!certificate) throw new WechatConfigError('merchant.v2.pfx', '(or cert with key) is required for this call: it moves money out')
    withCertificate ??= { http: createHttp(options, certificate), validTo: endOf(certificate) }
    refuseExpired(withCertificate.validTo, 'pfx' in certificate ? 'merchant.v2.pfx' : 'merchant.v2.cert')
    return withCertificate.http
  }

  async function signedCall (path: string, params: V2Params, endpoint: Endpoint, repeatable: boolean): Promise<HttpRequest> {
    const { appid = 'appid', mchId: mchIdName = 'mch_id', namesSignType = true } = endpoint
    const signType = endpoint.signType ?? merchant.signType
    const fields: Fields = {}
    const all = {
      ...(appid && { [appid]: appId }),
      [mchIdName]: mchId,
      ...(subMchId && { sub_mch_id: subMchId, sub_appid: subAppId }),
      ...params,
      nonce_str: nonce(),
      ...(namesSignType && { sign_type: signType })
    }
    for (const [name, value] of Object.entries(all)) if (value !== undefined && value !== '') fields[name] = String(value)
    fields.sign = signV2(fields, await apiKey(), signType)
    return {
      name: path,
      method: 'POST',
      bases,
      path: sandbox ? sandbox.path(path) : path,
      repeatable,
      headers: { 'content-type': 'text/xml; charset=utf-8' },
      body: writeXml(fields)
    }
  }

  async function believe (path: string, endpoint: Endpoint, answer: Fields): Promise<Fields> {
    const { appid = 'appid', mchId: mchIdName = 'mch_id', signedReply = true } = endpoint
    if (answer.return_code !== 'SUCCESS') {
      if (answer.return_code !== 'FAIL') throw new WechatReplyError(path, 'the answer has no return_code')
      throw refusal(path, answer.error_code ?? '', answer.return_msg ?? answer.retmsg ?? '')
    }
    if (signedReply && !verifyV2(answer, sandbox ? await sandbox.key() : merchant.apiKeys, endpoint.signType ?? merchant.signType)) throw new WechatReplyError(path, 'the answer\'s signature is missing or wrong')
    const own = { ...(appid && { [appid]: appId }), [mchIdName]: mchId }
    const foreign = Object.entries(own).some(([name, id]) => (signedReply || answer[name] !== undefined) && answer[name] !== id)
    if (foreign || (subMchId && answer.sub_mch_id && answer.sub_mch_id !== subMchId)) throw new WechatReplyError(path, 'the answer belongs to another account or merchant')
    if (answer.result_code === 'SUCCESS') return answer
    if (answer.result_code !== 'FAIL') throw new WechatReplyError(path, 'the answer has no result_code')
    throw refusal(path, answer.err_code ?? '', answer.err_code_des ?? '')
  }

  function refusal (path: string, code: string, message: string): WechatApiError {
    const said = redact(message, merchant.apiKeys)
    const wechatCode = code.replace(/[^\w-]/g, '').slice(0, 40)
    return new WechatApiError(`${path} was refused by WeChat Pay: ${[wechatCode, said].filter(Boolean).join(' ')}`, {
      fault: 'caller', ...meaningOf(wechatCode, said), ...(wechatCode && { wechatCode }), wechatMessage: said
    })
  }

  return {
    apiKey,

    async post (path, params, given = {}) {
      const endpoint = endpointOf(path)
      const { cert = endpoint.cert ?? false, repeatable = endpoint.repeatable ?? false } = given
      return await retry(async () => {
        const reply = await httpFor(cert)(await signedCall(path, params, endpoint, repeatable))
        if (reply.status !== 200) throw new WechatReplyError(path, `answered with HTTP ${reply.status}`)
        return await believe(path, endpoint, parse(path, reply.body, endpoint.list))
      }, {
        // A SYSTEMERROR is answered with the same call again.
        retries: 1,
        delay: 200,
        again: error => repeatable && error instanceof WechatApiError && error.retryable && error.fault === 'wechat'
      })
    },

    async download (path, params, given = {}) {
      const endpoint = endpointOf(path)
      const { cert = endpoint.cert ?? false } = given
      const reply = await httpFor(cert).stream(await signedCall(path, params, endpoint, true))
      const parts = reply.body[Symbol.asyncIterator]()
      const first = await parts.next()
      const head: Buffer = first.done ? Buffer.alloc(0) : first.value
      const rest = { [Symbol.asyncIterator]: () => parts }
      if (reply.status === 200 && !head.toString('latin1', 0, 64).trimStart().startsWith('<')) return following(head, rest)
      // An error document instead of the file.
      const chunks = [head]
      for await (const chunk of rest) if (chunks.push(chunk) > 64) break
      if (reply.status !== 200) throw new WechatReplyError(path, `answered with HTTP ${reply.status}`)
      const answer = parse(path, Buffer.concat(chunks))
      throw refusal(path, answer.error_code ?? answer.err_code ?? '', answer.return_msg ?? '')
    }
  }
}

async function * following (head: Buffer, rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield head
  yield * rest
}

function parse (path: string, body: Buffer, list?: string): Fields {
  try {
    const text = body.toString()
    const [from, to] = list === undefined ? [-1, -1] : [text.indexOf(`<${list}>`), text.lastIndexOf(`</${list}>`)]
    if (list === undefined || from === -1 || to < from) return readXml(body)
    const fields = readXml(Buffer.from(text.slice(0, from) + text.slice(to + list.length + 3)))
    fields[list] = text.slice(from + list.length + 2, to)
    return fields
  } catch (error) {
    throw new WechatReplyError(path, `the answer ${(error as XmlShapeError).message}`)
  }
}
