/** WeChat Pay v2 calls: signs the parameters, and verifies the answer before using anything in it. */
import type { X509Certificate } from 'node:crypto'
import type { Readable } from 'node:stream'
import { redact, WechatApiError, WechatReplyError } from '../../errors.ts'
import type { HttpOptions, HttpRequest } from '../../http/http.ts'
import { nonce } from '../../nonce.ts'
import { retry } from '../../http/retry.ts'
import { isOwnAppId } from '../merchant.ts'
import type { CheckedV2, MerchantIds } from '../merchant.ts'
import { endpointOf } from './endpoints.ts'
import type { Endpoint } from './endpoints.ts'
import { meaningOf } from './error-codes.ts'
import { signV2, verifyV2 } from './sign.ts'
import { createV2Wire } from './wire.ts'
import type { V2Wire } from './wire.ts'
import { writeXml } from './write-xml.ts'
import { createShape, readXml, sortedNames, XmlShapeError } from './xml.ts'
import type { Fields, Shape } from './xml.ts'

export interface V2PostOptions {
  /** Whether the call requires the merchant's client certificate. Default: as WeChat documents this path. */
  cert?: boolean
  /** WeChat acts at most once, however often this call arrives, so an unknown outcome may be retried. Default: as documented, otherwise false. */
  repeatable?: boolean
}

export type V2Params = Readonly<Record<string, string | number | undefined>>

export interface V2Client {
  /**
   * Any v2 call: adds appid, mch_id (and sub_mch_id), nonce_str, sign_type and sign as the path requires; returns the
   * verified fields of the answer.
   * @throws WechatApiError with err_code (or return_msg); WechatReplyError; WechatNetworkError; WechatConfigError if a certificate is needed and none was given
   */
  post (path: string, params: V2Params, options?: V2PostOptions): Promise<Fields>
  /** A call that returns a file: its bytes as they arrive, or the typed error that came instead. */
  download (path: string, params: V2Params, options?: V2PostOptions): Promise<AsyncIterable<Buffer>>
}

export interface V2ClientParts {
  http: HttpOptions | undefined
  /** Base URLs: WeChat Pay's host and the backup host. */
  bases: readonly string[]
  appId: string
  merchant: CheckedV2
  /** Set if several clients of one merchant share it. */
  wire?: V2Wire
}

/** The client, plus the key for signing the front end's parameters. */
export interface V2Caller extends V2Client {
  /** The key that signs: the merchant's, or the sandbox's. */
  apiKey (): string | Promise<string>
  /** The merchant's own certificate, if it has one. */
  certificate (): X509Certificate | undefined
  /** The same for another sub-merchant, over the same connections. */
  forMerchant (ids: MerchantIds, appId?: string): V2Caller
  disconnect (): Promise<void>
}

export function createV2Client (parts: V2ClientParts): V2Caller {
  const { http: options, bases, appId, merchant, wire = createV2Wire(options, bases, merchant) } = parts
  const { mchId, subMchId, subAppId } = merchant
  const { httpFor, sandbox, apiKey } = wire

  function signedCall (path: string, params: V2Params, endpoint: Endpoint, repeatable: boolean, key: string): HttpRequest {
    const { appid = 'appid', mchId: mchIdName = 'mch_id', namesSignType = true } = endpoint
    const signType = endpoint.signType ?? merchant.signType
    const fields: Fields = {}
    if (appid) fields[appid] = appId
    fields[mchIdName] = mchId
    if (subMchId) {
      fields.sub_mch_id = subMchId
      if (subAppId) fields.sub_appid = subAppId
    }
    for (const name of Object.keys(params)) {
      const value = params[name]
      if (value !== undefined && value !== '') fields[name] = String(value)
      // Explicitly set to undefined: do not add the account's own id.
      else if (name in fields) delete fields[name]
    }
    fields.nonce_str = nonce()
    if (namesSignType) fields.sign_type = signType
    fields.sign = signV2(fields, key, signType)
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

  function verifyAnswer (path: string, endpoint: Endpoint, answer: Fields, names: readonly string[] | undefined, keys: string | readonly string[]): Fields {
    const { appid = 'appid', mchId: mchIdName = 'mch_id', signedReply = true, resultCode = true } = endpoint
    if (answer.return_code !== 'SUCCESS') {
      if (answer.return_code !== 'FAIL') throw new WechatReplyError(path, 'the answer has no return_code')
      throw apiError(path, answer.error_code ?? '', answer.return_msg ?? answer.retmsg ?? '')
    }
    if (signedReply && !verifyV2(answer, keys, endpoint.signType ?? merchant.signType, names)) throw new WechatReplyError(path, 'the answer\'s signature is missing or wrong')
    const isNamed = (name: string) => signedReply || answer[name] !== undefined
    const foreign = (appid && isNamed(appid) && !isOwnAppId(answer[appid], appId, merchant)) || (isNamed(mchIdName) && answer[mchIdName] !== mchId)
    if (foreign || (subMchId && answer.sub_mch_id && answer.sub_mch_id !== subMchId)) throw new WechatReplyError(path, 'the answer belongs to another account or merchant')
    if (answer.result_code === 'SUCCESS' || (!resultCode && answer.result_code === undefined)) return answer
    if (answer.result_code !== 'FAIL') throw new WechatReplyError(path, 'the answer has no result_code')
    throw apiError(path, answer.err_code ?? '', answer.err_code_des ?? '')
  }

  function apiError (path: string, code: string, message: string): WechatApiError {
    const redacted = redact(message, merchant.apiKeys)
    const wechatCode = code.replace(/[^\w-]/g, '').slice(0, 40)
    return new WechatApiError(`${path} was refused by WeChat Pay: ${[wechatCode, redacted].filter(Boolean).join(' ')}`, {
      fault: 'caller', ...meaningOf(wechatCode, redacted, path), ...(wechatCode && { wechatCode }), wechatMessage: redacted
    })
  }

  return {
    apiKey,
    forMerchant: (ids, own = appId) => createV2Client({ ...parts, appId: own, merchant: { ...merchant, ...ids }, wire }),
    certificate: wire.certificate,
    disconnect: wire.disconnect,

    async post (path, params, given = {}) {
      const endpoint = endpointOf(path)
      const { cert = endpoint.cert ?? false, repeatable = endpoint.repeatable ?? false } = given
      return await retry(async () => {
        const http = httpFor(cert)
        const key = sandbox ? await sandbox.key() : merchant.apiKey
        const reply = await http(signedCall(path, params, endpoint, repeatable, key))
        if (reply.status !== 200) throw new WechatReplyError(path, `answered with HTTP ${reply.status}`)
        const shape = endpoint.list === undefined ? shapeOf(endpoint) : undefined
        const answer = parse(path, reply.body, endpoint.list, shape)
        return verifyAnswer(path, endpoint, answer, shape && sortedNames(shape), sandbox ? key : merchant.apiKeys)
      }, {
        // Retry a SYSTEMERROR with the same call; retrying while blocked only prolongs the block.
        retries: 1,
        delay: 200,
        shouldRetry: error => repeatable && error instanceof WechatApiError && error.retryable && error.fault === 'wechat' && error.wechatCode !== 'INVALID_REQ_TOO_MUCH'
      })
    },

    async download (path, params, given = {}) {
      const endpoint = endpointOf(path)
      const { cert = endpoint.cert ?? false } = given
      const { status, body } = await httpFor(cert).stream(signedCall(path, params, endpoint, true, await apiKey()))
      if (status === 200 && !(await beginningOf(body)).trimStart().startsWith('<')) return body
      // An error document instead of the file.
      const chunks: Buffer[] = []
      for await (const chunk of body) if (chunks.push(chunk as Buffer) > 64) break
      if (status !== 200) throw new WechatReplyError(path, `answered with HTTP ${status}`)
      const answer = parse(path, Buffer.concat(chunks))
      throw apiError(path, answer.error_code ?? answer.err_code ?? '', answer.return_msg ?? '')
    }
  }
}

/** Peeks at its first bytes; they stay in the stream. */
async function beginningOf (body: Readable): Promise<string> {
  const parts = body.iterator({ destroyOnReturn: false })
  const { done, value } = await parts.next() as IteratorResult<Buffer, undefined>
  if (!done) body.unshift(value)
  await parts.return?.()
  return done ? '' : value.toString('latin1', 0, 64)
}

/** What the last answers of each call looked like. */
const shapes = new WeakMap<Endpoint, Shape>()

function shapeOf (endpoint: Endpoint): Shape {
  let shape = shapes.get(endpoint)
  if (!shape) shapes.set(endpoint, shape = createShape())
  return shape
}

function parse (path: string, body: Buffer, list?: string, shape?: Shape): Fields {
  try {
    if (list === undefined) return readXml(body, 'xml', shape)
    const text = body.toString()
    const [from, to] = [text.indexOf(`<${list}>`), text.lastIndexOf(`</${list}>`)]
    if (from === -1 || to < from) return readXml(body)
    const fields = readXml(Buffer.from(text.slice(0, from) + text.slice(to + list.length + 3)))
    fields[list] = text.slice(from + list.length + 2, to)
    return fields
  } catch (error) {
    throw new WechatReplyError(path, `the answer ${(error as XmlShapeError).message}`)
  }
}
