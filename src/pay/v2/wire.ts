/** Shared by all v2 calls of a merchant and its sub-merchants: connections, with and without the certificate, and the signing key. */
import type { X509Certificate } from 'node:crypto'
import { WechatConfigError } from '../../errors.ts'
import { createHttp } from '../../http/http.ts'
import type { Http, HttpOptions } from '../../http/http.ts'
import { opened, refuseExpired } from '../certificate.ts'
import type { CheckedV2 } from '../merchant.ts'
import { createSandbox } from './sandbox.ts'
import type { Sandbox } from './sandbox.ts'

export interface V2Wire {
  /** @throws WechatConfigError if the call requires a certificate and it is missing or has expired */
  httpFor (cert: boolean): Http
  certificate (): X509Certificate | undefined
  sandbox: Sandbox | undefined
  /** The key that signs: the merchant's, or the sandbox's. */
  apiKey (): string | Promise<string>
  disconnect (): Promise<void>
}

/** @throws WechatConfigError naming the wrong `http` option */
export function createV2Wire (options: HttpOptions | undefined, bases: readonly string[], merchant: CheckedV2): V2Wire {
  const { certificate } = merchant
  const plain = createHttp(options)
  const certified = certificate && createHttp(options, certificate)
  const sandbox = merchant.sandbox ? createSandbox(plain, bases, merchant) : undefined

  return {
    httpFor (cert) {
      if (!cert) return plain
      if (!certificate || !certified) throw new WechatConfigError('merchant.v2.pfx', '(or cert and key) is required for this call: it pays money out')
      refuseExpired(opened(certificate).validTo, 'pfx' in certificate ? 'merchant.v2.pfx' : 'merchant.v2.cert')
      return certified
    },
    certificate: () => certificate && opened(certificate),
    sandbox,
    apiKey: () => sandbox ? sandbox.key() : merchant.apiKey,
    async disconnect () { await Promise.all([plain.disconnect(), certified?.disconnect()]) }
  }
}
