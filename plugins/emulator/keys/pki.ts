/** The emulator's certificate authority, and what it issues: its own TLS certificate and each merchant's API certificate. */
import { createPrivateKey } from 'node:crypto'
import type { Random } from '../state/random.ts'
import { createV3Keys, pem } from './v3-keys.ts'
import type { SavedV3Keys, V3Keys } from './v3-keys.ts'
import { issueCertificate, newKey } from './x509.ts'
import type { Issuer } from './x509.ts'

export interface KeyAndCertificate {
  /** PEM, PKCS#8. */
  key: string
  /** PEM. */
  cert: string
}

export interface Authority {
  issuer: Issuer
  /** PEM: what clients have to trust. */
  ca: string
  server: KeyAndCertificate
  /** What makes the same authority again. */
  saved: SavedAuthority
}

export interface SavedAuthority { root: KeyAndCertificate, server: KeyAndCertificate }

export interface Pki extends Pick<Authority, 'ca' | 'server'> {
  /** apiclient_cert and apiclient_key of the merchant: they sign APIv3 and open v2's mutual TLS, as at WeChat. */
  merchant: KeyAndCertificate
  /** The RSA keys of APIv3. */
  v3: V3Keys
}

/** WeChat's hosts, all of which this emulator can stand for. */
export const WECHAT_HOSTS = ['api.weixin.qq.com', 'open.weixin.qq.com', 'api.mch.weixin.qq.com', 'api2.mch.weixin.qq.com', 'fraud.mch.weixin.qq.com'] as const
const HOSTS = ['localhost', '127.0.0.1', '::1', ...WECHAT_HOSTS]
const DAY = 86_400_000

export function createAuthority (saved?: SavedAuthority): Authority {
  const name = { commonName: 'WeChat emulator CA', organization: 'fastify-wechat-pay' }
  const issuer: Issuer = { name, key: saved ? createPrivateKey(saved.root.key) : newKey() }
  const { root, server } = saved ?? newCertificates(issuer)
  return { issuer, ca: root.cert, server, saved: { root, server } }
}

function newCertificates (issuer: Issuer): SavedAuthority {
  const notBefore = new Date(Date.now() - DAY)
  const root = issueCertificate({ subject: issuer.name, publicKey: issuer.key, issuer, authority: true, notBefore, notAfter: new Date(Date.now() + 3650 * DAY) })
  const key = newKey()
  const server = issueCertificate({ subject: { commonName: 'localhost', organization: 'WeChat emulator' }, publicKey: key, issuer, notBefore, notAfter: new Date(Date.now() + 800 * DAY), hosts: HOSTS })
  return { root: { key: pem(issuer.key), cert: root }, server: { key: pem(key), cert: server } }
}

export function createPki (mchId: string, { issuer, ca, server } = createAuthority(), random?: Random, saved?: SavedV3Keys): Pki {
  const v3 = createV3Keys(mchId, { issuer, ...(random && { random }), ...(saved && { saved }) })
  return { ca, server, merchant: { key: pem(v3.merchant.key), cert: v3.merchant.cert }, v3 }
}
