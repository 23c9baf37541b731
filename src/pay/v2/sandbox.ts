/** WeChat Pay's official v2 sandbox: different paths, and a sandbox key that is fetched with the real one. */
import { WechatReplyError } from '../../errors.ts'
import type { Http } from '../../http/http.ts'
import { nonce } from '../../nonce.ts'
import type { CheckedV2 } from '../merchant.ts'
import { signV2 } from './sign.ts'
import { readXml } from './xml.ts'
import type { Fields } from './xml.ts'
import { writeXml } from './write-xml.ts'

const KEY_PATH = '/xdc/apiv2getsignkey/sign/getsignkey'

export interface Sandbox {
  /** Fetched once; @throws WechatReplyError, WechatNetworkError */
  key (): Promise<string>
  /** The sandbox's path of this call. */
  path (path: string): string
}

export function createSandbox (http: Http, bases: readonly string[], { mchId, apiKey, signType }: CheckedV2): Sandbox {
  let pending: Promise<string> | undefined

  async function fetchKey (): Promise<string> {
    const fields: Fields = { mch_id: mchId, nonce_str: nonce(), sign_type: signType }
    fields.sign = signV2(fields, apiKey, signType)
    const reply = await http({ name: KEY_PATH, method: 'POST', bases, path: KEY_PATH, repeatable: true, headers: { 'content-type': 'text/xml; charset=utf-8' }, body: writeXml(fields) })
    let answer: Fields = {}
    try { answer = readXml(reply.body) } catch { /* not XML: reported below */ }
    if (!answer.sandbox_signkey || !/^[\x21-\x7e]{32}$/.test(answer.sandbox_signkey)) {
      throw new WechatReplyError(KEY_PATH, 'the answer has no sandbox_signkey: check the API key, and whether the sandbox knows the merchant')
    }
    return answer.sandbox_signkey
  }

  return {
    key () {
      pending ??= fetchKey().catch((error: unknown) => {
        pending = undefined
        throw error
      })
      return pending
    },
    path: path => `/xdc/apiv2sandbox${path.replace(/^\/secapi/, '')}`
  }
}
