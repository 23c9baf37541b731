/** The merchant's client certificate (apiclient_cert), required for refunds and other calls that pay money out. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { WechatConfigError } from '../errors.ts'
import type { ClientCertificate } from '../http/http.ts'

export interface CertificateOptions {
  /** apiclient_cert.p12 as bytes. */
  pfx?: Uint8Array
  /** For `pfx`: default the mchId, as issued by WeChat. For `key`, if it is encrypted. */
  passphrase?: string
  /** apiclient_cert.pem and apiclient_key.pem, instead of `pfx`. */
  cert?: string | Uint8Array
  key?: string | Uint8Array
}

/** Opens the certificate and checks that its parts match. Undefined if none is set. @throws WechatConfigError saying what is wrong */
export function checkCertificate ({ pfx, passphrase, cert, key }: CertificateOptions, option: string, mchId: string): ClientCertificate | undefined {
  if (pfx === undefined && cert === undefined && key === undefined) return undefined
  if (pfx !== undefined && (cert !== undefined || key !== undefined)) throw new WechatConfigError(`${option}.pfx`, 'cannot be combined with cert and key: leave one of them out')
  if (pfx !== undefined) {
    const certificate = { pfx: Buffer.from(pfx), passphrase: passphrase ?? mchId }
    open(certificate, problem => { throw new WechatConfigError(`${option}.pfx`, pfxProblem(problem)) })
    return certificate
  }
  for (const [name, value] of Object.entries({ cert, key })) {
    if (value === undefined || value.length === 0) throw new WechatConfigError(`${option}.${name}`, 'is missing: cert and key (PEM) belong together')
  }
  const certificate = { cert: text(cert), key: text(key), ...(passphrase !== undefined && { passphrase }) }
  open(certificate, problem => { throw new WechatConfigError(`${option}.${/mismatch|decrypt|decoder/i.test(problem) ? 'key' : 'cert'}`, pemProblem(problem)) })
  // OpenSSL accepts a key of another type, which would fail at the first refund.
  const privateKey = createPrivateKey({ key: certificate.key, passphrase })
  if (!opened(certificate).checkPrivateKey(privateKey)) throw new WechatConfigError(`${option}.key`, pemProblem('mismatch'))
  return certificate
}

/** Avoids opening it again, which takes milliseconds: `checkCertificate` has done it. */
const known = new WeakMap<ClientCertificate, X509Certificate>()

/** The certificate's data. */
export function opened (certificate: ClientCertificate): X509Certificate {
  let found = known.get(certificate)
  if (!found) {
    const { context } = createSecureContext(certificate)
    found = new X509Certificate((context as { getCertificate (): Buffer }).getCertificate())
    known.set(certificate, found)
  }
  return found
}

/** @throws WechatConfigError if it has expired: then no call can succeed */
export function refuseExpired (validTo: string, option: string): void {
  if (new Date(validTo).getTime() > Date.now()) return
  throw new WechatConfigError(option, `has expired on ${validTo}: issue a new API certificate in WeChat Pay's console (Account centre, API security)`)
}

function open (certificate: ClientCertificate, refuse: (problem: string) => never): void {
  try {
    opened(certificate)
  } catch (error) {
    // OpenSSL's message: it contains neither key nor pass phrase.
    refuse((error as Error).message)
  }
}

function pfxProblem (problem: string): string {
  if (/unsupported/i.test(problem)) {
    return 'is in the old format (RC2 or 3DES) that WeChat used to issue and OpenSSL 3 refuses. Convert it once: ' +
      '"openssl pkcs12 -legacy -in apiclient_cert.p12 -nodes -out all.pem" and then "openssl pkcs12 -export -in all.pem -out new.p12" ' +
      '(same pass phrase), or give apiclient_cert.pem and apiclient_key.pem as cert and key'
  }
  return /mac verify|password|decrypt/i.test(problem) ? 'cannot be opened with this pass phrase (default: the mchId)' : 'is not a PKCS#12 file (apiclient_cert.p12)'
}

function pemProblem (problem: string): string {
  if (/mismatch/i.test(problem)) return 'does not belong to the certificate in cert'
  if (/decrypt/i.test(problem)) return 'is encrypted and cannot be opened with this pass phrase'
  return 'is not PEM (apiclient_cert.pem and apiclient_key.pem)'
}

const text = (pem: string | Uint8Array | undefined): string => Buffer.from(pem as string).toString()
