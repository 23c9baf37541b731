/** Opens v2's client certificate, or says what is wrong with it. */
import { X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import type { ClientCertificate } from '../http/http.ts'
import type { Finding } from './check.ts'
import type { CheckContext } from './context.ts'
import { kindOf, pemOf, privateKeyIn } from './pem.ts'

export interface OpenedCertificate {
  finding: Finding<'unused' | 'fits' | 'old' | 'passphrase' | 'notPfx' | 'twice' | 'half' | 'other' | 'damaged' | 'foreign' | 'merchant'>
  certificate?: X509Certificate
  /** For a TLS connection. */
  shown?: ClientCertificate
  /** Whether it is the same certificate as v3's. */
  v3Same?: boolean
}

export function clientCertificate ({ options: { merchant } }: CheckContext): OpenedCertificate {
  const { pfx, passphrase, cert, key } = merchant?.v2 ?? {}
  if (!merchant || (pfx === undefined && cert === undefined && key === undefined)) return { finding: { outcome: 'unused' } }
  if (pfx !== undefined && (cert !== undefined || key !== undefined)) return { finding: { outcome: 'twice' } }
  if (pfx !== undefined) {
    if (!(pfx instanceof Uint8Array)) return { finding: { outcome: 'notPfx' } }
    const shown = { pfx: Buffer.from(pfx), passphrase: passphrase ?? merchant.mchId }
    try {
      const { context } = createSecureContext(shown)
      return checkOwner(new X509Certificate((context as { getCertificate (): Buffer }).getCertificate()), shown, merchant)
    } catch (error) {
      const { message } = error as Error
      return { finding: { outcome: /unsupported/i.test(message) ? 'old' : /mac verify|password|decrypt/i.test(message) ? 'passphrase' : 'notPfx' } }
    }
  }
  for (const [missing, value] of Object.entries({ cert, key })) if (pemOf(value) === '') return { finding: { outcome: 'half', values: { missing } } }
  const shown = { cert: pemOf(cert), key: pemOf(key), ...(passphrase !== undefined && { passphrase }) }
  let certificate
  try {
    certificate = new X509Certificate(shown.cert)
  } catch {
    return { finding: { outcome: 'other', values: { option: 'cert', kind: kindOf(shown.cert) } } }
  }
  const privateKey = privateKeyIn(shown.key, passphrase)
  if (!privateKey) {
    const kind = kindOf(shown.key)
    return { finding: /private key|encrypted/.test(kind.id) ? { outcome: 'damaged', values: { option: 'key' } } : { outcome: 'other', values: { option: 'key', kind } } }
  }
  if (!certificate.checkPrivateKey(privateKey)) return { finding: { outcome: 'foreign' } }
  return checkOwner(certificate, shown, merchant)
}

function checkOwner (certificate: X509Certificate, shown: ClientCertificate, { mchId, v3 }: NonNullable<CheckContext['options']['merchant']>): OpenedCertificate {
  const whose = /CN=(\d+)$/m.exec(certificate.subject)?.[1]
  if (whose !== undefined && whose !== mchId) return { finding: { outcome: 'merchant', values: { whose } } }
  return { finding: { outcome: 'fits' }, certificate, shown, v3Same: sameAs(certificate, v3?.certificate) }
}

function sameAs (certificate: X509Certificate, pem: unknown): boolean {
  try {
    return pem !== undefined && new X509Certificate(pemOf(pem)).fingerprint256 === certificate.fingerprint256
  } catch {
    return false
  }
}
