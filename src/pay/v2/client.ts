/** Calls of WeChat Pay v2: parameters signed, the answer verified before anything in it is believed. */
import { redact, WechatApiError, WechatConfigError, WechatReplyError } from '../../errors.ts'
import type { Http } from '../../http.ts'
import { nonce } from '../../nonce.ts'
import { retry } from '../../retry.ts'
import type { CheckedMerchant } from '../merchant.ts'
import { ERR_CODES } from './error-codes.ts'
import { signV2, verifyV2 } from './sign.ts'
import { readXml, writeXml, XmlShapeError } from './xml.ts'
import type { Fields } from './xml.ts'

export interface V2PostOptions {
  /** The call needs the merchant's client certificate. */
  cert?: boolean
  /** WeChat acts at most once however often this very call arrives, so that an unknown outcome may be repeated. Default false. */
  repeatable?: boolean
}

export interface V2Client {
  /**
   * Any v2 call: adds appid, mch_id, nonce_str, sign_type and sign; returns the verified fields of the answer.
   * @throws WechatApiError with err_code (or return_msg); WechatReplyError; WechatNetworkError
   */
  post (path: string, params: Readonly<Record<string, string | number | undefined>>, options?: V2PostOptions): Promise<Fields>
}

export interface V2ClientParts {
  http: Http
  /** Base URLs: WeChat Pay's host and its stand-by. */
  bases: readonly string[]
  appId: string
  merchant: CheckedMerchant
}

export function createV2Client ({ http, bases, appId, merchant }: V2ClientParts): V2Client {
  const { mchId, apiKey, signType } = merchant

  async function once (path: string, params: Readonly<Record<string, string | number | undefined>>, repeatable: boolean): Promise<Fields> {
    const fields: Fields = {}
    const all = { appid: appId, mch_id: mchId, ...params, nonce_str: nonce(), sign_type: signType }
    for (const [name, value] of Object.entries(all)) if (value !== undefined && value !== '') fields[name] = String(value)
    fields.sign = signV2(fields, apiKey, signType)
    const reply = await http({
      name: path,
      method: 'POST',
      bases,
      path,
      repeatable,
      headers: { 'content-type': 'text/xml; charset=utf-8' },
      body: writeXml(fields)
    })
    if (reply.status !== 200) throw new WechatReplyError(path, `answered with HTTP ${reply.status}`)
    return believe(path, parse(path, reply.body))
  }

  function believe (path: string, answer: Fields): Fields {
    if (answer.return_code !== 'SUCCESS') {
      if (answer.return_code !== 'FAIL') throw new WechatReplyError(path, 'the answer has no return_code')
      throw refusal(path, {}, answer.return_msg ?? answer.retmsg ?? '')
    }
    if (!verifyV2(answer, apiKey, signType)) throw new WechatReplyError(path, 'the answer\'s signature is missing or wrong')
    if (answer.appid !== appId || answer.mch_id !== mchId) throw new WechatReplyError(path, 'the answer belongs to another account or merchant')
    if (answer.result_code === 'SUCCESS') return answer
    if (answer.result_code !== 'FAIL') throw new WechatReplyError(path, 'the answer has no result_code')
    throw refusal(path, answer, answer.err_code_des ?? '')
  }

  function refusal (path: string, { err_code: code = '' }: Fields, message: string): WechatApiError {
    const said = redact(message, [apiKey])
    const wechatCode = code.replace(/[^\w-]/g, '').slice(0, 40)
    const known = ERR_CODES[wechatCode] ?? (said.startsWith('签名错误') ? ERR_CODES.SIGNERROR : undefined)
    return new WechatApiError(`${path} was refused by WeChat Pay: ${[wechatCode, said].filter(Boolean).join(' ')}`, {
      fault: 'caller', ...known, ...(wechatCode && { wechatCode }), wechatMessage: said
    })
  }

  return {
    async post (path, params, { cert = false, repeatable = false } = {}) {
      if (cert) throw new WechatConfigError('merchant.v2.cert', 'client certificates are not supported yet')
      return await retry(() => once(path, params, repeatable), {
        // A SYSTEMERROR is answered with the same call again.
        retries: 1,
        delay: 200,
        again: error => repeatable && error instanceof WechatApiError && error.retryable
      })
    }
  }
}

function parse (path: string, body: Buffer): Fields {
  try {
    return readXml(body)
  } catch (error) {
    throw new WechatReplyError(path, `the answer ${(error as XmlShapeError).message}`)
  }
}
