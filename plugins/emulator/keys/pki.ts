/** The emulator's certificate authority, and what it issues: its own TLS certificate and each merchant's API certificate. */
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
  /** PEM: what clients have to trust. */
  ca: string
  /** Issued when it is first needed. */
  readonly server: KeyAndCertificate
  /** What makes the same authority again. */
  readonly saved: SavedAuthority
}

export interface SavedAuthority { root: KeyAndCertificate, server: KeyAndCertificate }

export interface Pki extends Pick<Authority, 'ca'> {
  /** apiclient_cert and apiclient_key of the merchant: they sign APIv3 and open v2's mutual TLS, as at WeChat. */
  readonly merchant: KeyAndCertificate
  /** The RSA keys of APIv3. */
  v3: V3Keys
}

/** WeChat's hosts, all of which this emulator can stand for. */
export const WECHAT_HOSTS = ['api.weixin.qq.com', 'open.weixin.qq.com', 'mp.weixin.qq.com', 'api.mch.weixin.qq.com', 'api2.mch.weixin.qq.com', 'fraud.mch.weixin.qq.com'] as const
const HOSTS = ['localhost', '127.0.0.1', '::1', ...WECHAT_HOSTS]
const DAY = 86_400_000

/** `publicHosts`: further names and addresses that its TLS certificate is good for. */
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

/** Whether a kept certificate is still the right one: for all these hosts, and for a month. */
function covers (cert: string, hosts: readonly string[]): boolean {
  const certificate = new X509Certificate(cert)
  return Date.parse(certificate.validTo) > Date.now() + 30 * DAY &&
    hosts.every(host => (isIP(host) ? certificate.checkIP(host) : certificate.checkHost(host)) !== undefined)
}

export function createPki (mchId: string, { issuer, ca } = createAuthority(), random?: Random, saved?: SavedV3Keys): Pki {
  const v3 = createV3Keys(mchId, { issuer, ...(random && { random }), ...(saved && { saved }) })
  return { ca, get merchant () { return { key: pem(v3.merchant.key), cert: v3.merchant.cert } }, v3 }
}
