/** APIv3 calls: signs exactly the bytes sent, and verifies the answer before using anything in it. */
import { createHash, randomUUID } from 'node:crypto'
import type { Clock } from '../../clock.ts'
import { redact, WechatApiError, WechatConfigError, WechatError, WechatInputError, WechatReplyError } from '../../errors.ts'
import { createHttp, pathOf } from '../../http/http.ts'
import type { HttpOptions, HttpReply, HttpRequest } from '../../http/http.ts'
import { parseJson } from '../../json.ts'
import { WECHAT_PAY } from '../../options.ts'
import { retry } from '../../http/retry.ts'
import type { Store } from '../../store/store.ts'
import type { CheckedV3 } from '../merchant.ts'
import { meaningOfV3 } from './error-codes.ts'
import { verifyMessage } from './message.ts'
import { createPlatformKeys } from './platform-keys.ts'
import type { PlatformKeys } from './platform-keys.ts'
import { decryptSensitive, encryptSensitive } from './sensitive.ts'
import { authorization, isRemote } from './sign.ts'

export type V3Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
export type Json = Record<string, unknown>

export interface V3RequestOptions {
  query?: Readonly<Record<string, string | number | undefined>>
  /** Sent as JSON; exactly these bytes are signed. */
  body?: object
  /** Fields of the body (`name`, `receivers.0.name`) to encrypt with WeChat's key. */
  encrypt?: readonly string[]
  /** WeChat acts at most once, however often this call arrives, so an unknown outcome may be retried. Default: only GET. */
  repeatable?: boolean
}

export interface V3UploadOptions {
  filename: string
  content: Uint8Array
  contentType?: string
  /** The signed part. Default: the file's name and SHA-256, as required for images and videos. */
  meta?: object
}

export interface V3Client {
  /**
   * Any v3 call: signs, verifies, throws typed errors. Returns `{}` for an answer without body (204).
   * @throws WechatApiError with `code`, `message`, request id and advice; WechatReplyError; WechatNetworkError
   */
  request<T extends object = Json> (method: V3Method, path: string, options?: V3RequestOptions): Promise<T>
  /** Uploads a file as multipart/form-data; only its `meta` is signed. */
  upload<T extends object = Json> (path: string, file: V3UploadOptions): Promise<T>
  /** Downloads WeChat's `download_url`: bytes as they arrive. They are not signed, so compare their hash. WeChat's hosts only. */
  download (url: string): Promise<AsyncIterable<Buffer>>
  /** Decrypts a sensitive field of an answer. @throws WechatReplyError if it was not encrypted for this merchant */
  decrypt (ciphertext: string): string
}

/** The client, and the keys that also verify notifications. */
export interface V3Caller extends V3Client {
  keys: PlatformKeys
  /** Closes connections that no other client shares. Later calls open new ones. */
  disconnect (): Promise<void>
}

export interface V3ClientParts {
  http: HttpOptions | undefined
  /** Base URLs: WeChat Pay's host and the backup host. */
  bases: readonly string[]
  merchant: CheckedV3
  store: Store
  clock: Pick<Clock, 'now'>
}

/** 429 and WeChat's own 5xx are retried with the same call. */
const RETRIES = 2
/** Temporary, but lasting longer than a retry would wait: left to the caller. */
const WAIT = new Set(['USERPAYING', 'INVALID_REQ_TOO_MUCH'])
const CERTIFICATES = '/v3/certificates'
const PLAIN_PATH = /^\/v3\/[\x21-\x7e]*$/

export function createV3Client ({ http: options, bases, merchant, store, clock }: V3ClientParts): V3Caller {
  const http = createHttp(options)
  const keys = createPlatformKeys({
    merchant,
    store,
    clock,
    fetch: async keyOf => {
      const reply = await http(await signedCall('GET', CERTIFICATES, '', { repeatable: true }))
      if (reply.status === 200) return await verifyAnswer(CERTIFICATES, reply, async serial => keyOf(parse(CERTIFICATES, reply), serial))
      // A refusal comes without certificates: only the public key can verify it.
      throw refusal(CERTIFICATES, reply, await verifyMessage(reply.headers, reply.body, async serial => keyOf({}, serial)) === 'genuine')
    }
  })

  interface Sending { query?: Record<string, string>, body?: string | Buffer, contentType?: string, repeatable: boolean, serial?: string | undefined }

  async function signedCall (method: V3Method, path: string, signedBody: string, { query, body, contentType, repeatable, serial = merchant.publicKeyId }: Sending): Promise<HttpRequest> {
    return {
      name: path,
      method,
      bases,
      path,
      ...(query && { query }),
      repeatable,
      ...(body !== undefined && { body }),
      headers: {
        accept: 'application/json',
        ...(body !== undefined && { 'content-type': contentType ?? 'application/json' }),
        // Without this header WeChat signs with a certificate, which a merchant with only the public key does not have.
        ...(serial && { 'wechatpay-serial': serial })
      },
      freshHeaders: async base => ({ authorization: await authorization(method, prefixOf(base) + pathOf({ path, ...(query && { query }) }), signedBody, merchant) })
    }
  }

  async function verifyAnswer (path: string, reply: HttpReply, keyFor = keys.keyFor): Promise<unknown> {
    const { status, headers, body } = reply
    const verdict = await verifyMessage(headers, body, keyFor)
    if (status >= 200 && status < 300 && status !== 202) {
      if (verdict !== 'genuine') throw new WechatReplyError(path, `the answer's signature is ${WORDS[verdict]}`)
      return status === 204 || body.length === 0 ? {} : parse(path, reply)
    }
    // A gateway's errors are unsigned: report them, but not as facts about an order. A wrongly signed error is never accepted.
    if (verdict !== 'genuine' && verdict !== 'unsigned') throw new WechatReplyError(path, `answered with HTTP ${status}, and the signature is ${WORDS[verdict]}`)
    throw refusal(path, reply, verdict === 'genuine')
  }

  function refusal (path: string, reply: HttpReply, signed: boolean): WechatError {
    const { status, headers } = reply
    let details: { code?: unknown, message?: unknown } = {}
    try { details = JSON.parse(reply.body.toString()) } catch { /* HTML, or nothing */ }
    if (typeof details?.code !== 'string') return new WechatReplyError(path, `answered with HTTP ${status}`)
    const wechatCode = details.code.replace(/[^\w-]/g, '').slice(0, 64)
    const message = redact(typeof details.message === 'string' ? details.message : '', merchant.apiV3Keys)
    const requestId = headers['request-id']?.replace(/[^\w-]/g, '').slice(0, 128)
    const meaning = meaningOfV3(wechatCode, requestId, path)
    return new WechatApiError(`${path} was refused by WeChat Pay: ${wechatCode} ${message}${signed ? '' : ' (unsigned)'}`, {
      ...(status === 429 || status >= 500 ? { retryable: true, fault: 'wechat' } : { fault: 'caller' }),
      ...meaning,
      wechatCode,
      wechatMessage: message,
      ...(requestId && { requestId }),
      signed
    })
  }

  async function send (call: () => Promise<HttpRequest>, repeatable: boolean): Promise<unknown> {
    return await retry(async () => {
      const request = await call()
      return await verifyAnswer(request.name, await http(request))
    }, {
      retries: repeatable ? RETRIES : 0,
      delay: 300,
      shouldRetry: error => error instanceof WechatApiError && error.retryable && !WAIT.has(error.wechatCode ?? '')
    })
  }

  return {
    keys,
    disconnect: http.disconnect,

    async request<T> (method: V3Method, path: string, { query, body, encrypt = [], repeatable = method === 'GET' }: V3RequestOptions = {}) {
      if (!PLAIN_PATH.test(path) || /[?#\\]|\/\.{1,2}(?:\/|$)/.test(path)) throw new WechatInputError('path', 'must be a v3 path; pass parameters in query')
      const given = query && Object.fromEntries(Object.entries(query).flatMap(([name, value]) => value === undefined ? [] : [[name, String(value)]]))
      return await send(async () => {
        const cipher = encrypt.length > 0 ? await keys.current() : undefined
        const text = body && JSON.stringify(cipher ? encrypted(body, encrypt, text => encryptSensitive(text, cipher.key)) : body)
        return await signedCall(method, path, text ?? '', { ...(given && { query: given }), ...(text !== undefined && { body: text }), repeatable, ...(cipher && { serial: cipher.serial }) })
      }, repeatable) as T
    },

    async upload<T> (path: string, { filename, content, contentType = 'application/octet-stream', meta }: V3UploadOptions) {
      if (!/^[^"\\\x00-\x1f\x7f]{1,128}$/.test(filename)) throw new WechatInputError('filename', 'must be 1 to 128 characters without quotes, backslashes or line breaks')
      if (!/^[\w.+-]+\/[\w.+-]+$/.test(contentType)) throw new WechatInputError('contentType', 'must be a media type')
      const signed = JSON.stringify(meta ?? { filename, sha256: createHash('sha256').update(content).digest('hex') })
      // By hand: WeChat wants meta with a content type and without a file name, and a FormData cannot say that.
      const boundary = randomUUID()
      const body = Buffer.concat([
        Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="meta";\r\nContent-Type: application/json\r\n\r\n${signed}\r\n--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${filename}";\r\nContent-Type: ${contentType}\r\n\r\n`),
        content,
        Buffer.from(`\r\n--${boundary}--\r\n`)
      ])
      return await send(async () => await signedCall('POST', path, signed, { body, contentType: `multipart/form-data; boundary=${boundary}`, repeatable: false }), false) as T
    },

    async download (url) {
      const base = [...bases, ...WECHAT_PAY].find(base => url.startsWith(`${base}/`))
      if (base === undefined || /[\\\s#]/.test(url)) throw new WechatReplyError('download_url', 'it points to a host that is not WeChat Pay\'s')
      const path = url.slice(base.length)
      const reply = await http.stream({
        name: 'download_url',
        method: 'GET',
        bases: [base],
        path,
        repeatable: true,
        headers: { accept: '*/*', ...(merchant.publicKeyId && { 'wechatpay-serial': merchant.publicKeyId }) },
        freshHeaders: async base => ({ authorization: await authorization('GET', prefixOf(base) + path, '', merchant) })
      })
      if (reply.status === 200) return reply.body
      const chunks: Buffer[] = []
      for await (const chunk of reply.body) if (chunks.push(chunk as Buffer) > 16) break
      throw refusal('download_url', { ...reply, body: Buffer.concat(chunks) }, false)
    },

    decrypt (ciphertext) {
      const { privateKey } = merchant
      if (isRemote(privateKey)) throw new WechatConfigError('merchant.v3.privateKey', 'is a remote signer: fields encrypted for it cannot be decrypted here')
      try {
        return decryptSensitive(ciphertext, privateKey)
      } catch {
        throw new WechatReplyError('v3', 'a sensitive field was not encrypted for this merchant')
      }
    }
  }
}

const WORDS = { unsigned: 'missing', probe: 'false', false: 'false', stale: 'older or newer than five minutes', 'unknown key': 'by an unknown key', genuine: 'right' } as const

/** The base URL's own path, which is signed, too. */
const prefixOf = (base: string) => new URL(base).pathname.replace(/\/$/, '')

function parse (path: string, { body }: HttpReply): unknown {
  try {
    const value = parseJson(body.toString())
    if (value !== null && typeof value === 'object') return value
  } catch { /* reported below */ }
  throw new WechatReplyError(path, 'the answer is not JSON')
}

/** A copy of the body with the named fields encrypted. @throws WechatInputError if one is missing */
function encrypted (body: object, names: readonly string[], encrypt: (text: string) => string): object {
  const copy = structuredClone(body)
  for (const name of names) {
    const parts = name.split('.')
    const last = parts.pop() as string
    const holder = parts.reduce<unknown>((value, part) => (value as Record<string, unknown> | undefined)?.[part], copy) as Record<string, unknown> | undefined
    const value = holder?.[last]
    if (typeof value !== 'string') throw new WechatInputError(name, 'is listed in encrypt, but is not a string in the body')
    ;(holder as Record<string, unknown>)[last] = encrypt(value)
  }
  return copy
}
