/** The emulator's certificate authority. It issues the TLS certificate and each merchant's API certificate. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
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
  /** PEM: the CA certificate that clients must trust. */
  ca: string
  /** Issued when it is first needed. */
  readonly server: KeyAndCertificate
  /** Recreates the same authority. */
  readonly saved: SavedAuthority
}

export interface SavedAuthority { root: KeyAndCertificate, server: KeyAndCertificate }

export interface Pki extends Pick<Authority, 'ca'> {
  /** The merchant's apiclient_cert and apiclient_key, for APIv3 signatures and v2's mutual TLS. */
  readonly merchant: KeyAndCertificate
  /** APIv3's RSA keys. */
  v3: V3Keys
}

/** WeChat's hosts that this emulator serves. */
export const WECHAT_HOSTS = ['api.weixin.qq.com', 'open.weixin.qq.com', 'mp.weixin.qq.com', 'api.mch.weixin.qq.com', 'api2.mch.weixin.qq.com', 'fraud.mch.weixin.qq.com'] as const
const HOSTS = ['localhost', '127.0.0.1', '::1', ...WECHAT_HOSTS]
const DAY = 86_400_000

/** `publicHosts`: additional names and addresses in the TLS certificate. */
export function createAuthority (saved?: SavedAuthority, publicHosts: readonly string[] = []): Authority {
  const name = { commonName: 'WeChat emulator CA', organization: 'fastify-wechat-pay' }
  const issuer: Issuer = { name, key: saved ? createPrivateKey(saved.root.key) : newKey() }
  const hosts = [...HOSTS, ...publicHosts]
  const root = saved?.root ?? newRoot(issuer)
  let server: KeyAndCertificate | undefined
  return {
    issuer,
    ca: root.cert,
    get server () {
      server ??= saved && covers(saved.server.cert, hosts) ? saved.server : newServer(issuer, hosts)
      return server
    },
    get saved () { return { root, server: this.server } }
  }
}

function newRoot (issuer: Issuer): KeyAndCertificate {
  const cert = issueCertificate({ subject: issuer.name, publicKey: issuer.key, issuer, authority: true, notBefore: new Date(Date.now() - DAY), notAfter: new Date(Date.now() + 3650 * DAY) })
  return { key: pem(issuer.key), cert }
}

function newServer (issuer: Issuer, hosts: readonly string[]): KeyAndCertificate {
  const key = newKey()
  const cert = issueCertificate({ subject: { commonName: 'localhost', organization: 'WeChat emulator' }, publicKey: key, issuer, notBefore: new Date(Date.now() - DAY), notAfter: new Date(Date.now() + 800 * DAY), hosts })
  return { key: pem(key), cert }
}

/** Whether a stored certificate covers all these hosts and is valid for another month. */
function covers (cert: string, hosts: readonly string[]): boolean {
  const certificate = new X509Certificate(cert)
  return Date.parse(certificate.validTo) > Date.now() + 30 * DAY &&
    hosts.every(host => (isIP(host) ? certificate.checkIP(host) : certificate.checkHost(host)) !== undefined)
}

export function createPki (mchId: string, { issuer, ca } = createAuthority(), random?: Random, saved?: SavedV3Keys): Pki {
  const v3 = createV3Keys(mchId, { issuer, ...(random && { random }), ...(saved && { saved }) })
  return { ca, get merchant () { return { key: pem(v3.merchant.key), cert: v3.merchant.cert } }, v3 }
}
