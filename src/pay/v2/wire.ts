/** What all v2 calls of a merchant go through, whichever sub-merchant they are for: connections, with and without its certificate, and the key that signs. */
import type { X509Certificate } from 'node:crypto'
import { WechatConfigError } from '../../errors.ts'
import { createHttp } from '../../http/http.ts'
import type { Http, HttpOptions } from '../../http/http.ts'
import { opened, refuseExpired } from '../certificate.ts'
import type { CheckedV2 } from '../merchant.ts'
import { createSandbox } from './sandbox.ts'
import type { Sandbox } from './sandbox.ts'

export interface V2Wire {
  /** @throws WechatConfigError where the call needs a certificate, and there is none or it has expired */
  httpFor (cert: boolean): Http
  certificate (): X509Certificate | undefined
  sandbox: Sandbox | undefined
  /** The key that signs: the merchant's, or the sandbox's. */
  apiKey (): Promise<string>
  disconnect (): Promise<void>
}

/** @throws WechatConfigError naming the option of `http` that does not fit */
export function createV2Wire (options: HttpOptions | undefined, bases: readonly string[], merchant: CheckedV2): V2Wire {
  const { certificate } = merchant
  const plain = createHttp(options)
  const certified = certificate && createHttp(options, certificate)
  const sandbox = merchant.sandbox ? createSandbox(plain, bases, merchant) : undefined

  return {
    httpFor (cert) {
      if (!cert) return plain
      if (!certificate || !certified) throw new WechatConfigError('merchant.v2.pfx', '(or cert with key) is required for this call: it moves money out')
      refuseExpired(opened(certificate).validTo, 'pfx' in certificate ? 'merchant.v2.pfx' : 'merchant.v2.cert')
      return certified
    },
    certificate: () => certificate && opened(certificate),
    sandbox,
    apiKey: async () => sandbox ? await sandbox.key() : merchant.apiKey,
    async disconnect () { await Promise.all([plain.disconnect(), certified?.disconnect()]) }
  }
}
