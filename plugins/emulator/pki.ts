/** The emulator's certificate authority, and what it issues: its own TLS certificate and the merchant's API certificate. */
import { createV3Keys } from './v3/keys.ts'
import type { V3Keys } from './v3/keys.ts'
import { issueCertificate, newKey } from './x509.ts'
import type { Issuer } from './x509.ts'

export interface KeyAndCertificate {
  /** PEM, PKCS#8. */
  key: string
  /** PEM. */
  cert: string
}

export interface Pki {
  /** PEM: what clients have to trust. */
  ca: string
  server: KeyAndCertificate
  /** apiclient_cert and apiclient_key of the merchant. */
  merchant: KeyAndCertificate
  /** The RSA keys of APIv3. */
  v3: V3Keys
}

/** Names under which the emulator may be reached. */
const HOSTS = ['localhost', '127.0.0.1', '::1', 'api.weixin.qq.com', 'open.weixin.qq.com', 'api.mch.weixin.qq.com', 'api2.mch.weixin.qq.com']
const DAY = 86_400_000

export function createPki (mchId: string): Pki {
  const authority: Issuer = { name: { commonName: 'WeChat emulator CA', organization: 'fastify-wechat-pay' }, key: newKey() }
  const notBefore = new Date(Date.now() - DAY)
  const notAfter = new Date(Date.now() + 365 * DAY)
  const issue = (commonName: string, hosts?: string[]): KeyAndCertificate => {
    const key = newKey()
    const cert = issueCertificate({ subject: { commonName, organization: 'WeChat emulator' }, publicKey: key, issuer: authority, notBefore, notAfter, ...(hosts && { hosts }) })
    return { key: key.export({ type: 'pkcs8', format: 'pem' }) as string, cert }
  }
  return {
    ca: issueCertificate({ subject: authority.name, publicKey: authority.key, issuer: authority, authority: true, notBefore, notAfter }),
    server: issue('localhost', HOSTS),
    merchant: issue(mchId),
    v3: createV3Keys(mchId)
  }
}
