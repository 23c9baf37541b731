/** The merchant's client certificate (apiclient_cert), which refunds and other calls that move money out must show. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { WechatConfigError } from '../errors.ts'
import type { ClientCertificate } from '../http/http.ts'

export interface CertificateOptions {
  /** apiclient_cert.p12 as bytes. */
  pfx?: Uint8Array
  /** Of `pfx`; default the mchId, as WeChat issues it. Of `key`, if that is encrypted. */
  passphrase?: string
  /** apiclient_cert.pem and apiclient_key.pem, instead of `pfx`. */
  cert?: string | Uint8Array
  key?: string | Uint8Array
}

/** Opened and found to fit together. Undefined if none is given. @throws WechatConfigError saying what is wrong with it */
export function checkCertificate ({ pfx, passphrase, cert, key }: CertificateOptions, option: string, mchId: string): ClientCertificate | undefined {
  if (pfx === undefined && cert === undefined && key === undefined) return undefined
  if (pfx !== undefined && (cert !== undefined || key !== undefined)) throw new WechatConfigError(`${option}.pfx`, 'and cert with key are two ways of giving the same: leave one out')
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
  // OpenSSL lets a key of another kind pass: it would fail at the first refund.
  const privateKey = createPrivateKey({ key: certificate.key, passphrase })
  if (!opened(certificate).checkPrivateKey(privateKey)) throw new WechatConfigError(`${option}.key`, pemProblem('mismatch'))
  return certificate
}

/** Opening one takes milliseconds, and `checkCertificate` has done it. */
const known = new WeakMap<ClientCertificate, X509Certificate>()

/** What it says of itself. */
export function opened (certificate: ClientCertificate): X509Certificate {
  let found = known.get(certificate)
  if (!found) {
    const { context } = createSecureContext(certificate)
    found = new X509Certificate((context as { getCertificate (): Buffer }).getCertificate())
    known.set(certificate, found)
  }
  return found
}

/** @throws WechatConfigError if it is past its time: then nothing is worth sending */
export function refuseExpired (validTo: string, option: string): void {
  if (new Date(validTo).getTime() > Date.now()) return
  throw new WechatConfigError(option, `has expired on ${validTo}: issue a new API certificate in WeChat Pay's console (Account centre, API security)`)
}

function open (certificate: ClientCertificate, refuse: (problem: string) => never): void {
  try {
    opened(certificate)
  } catch (error) {
    // OpenSSL's words: they name no key and no pass phrase.
    refuse((error as Error).message)
  }
}

function pfxProblem (problem: string): string {
  if (/unsupported/i.test(problem)) {
    return 'is in the old format (RC2 or 3DES) that WeChat used to issue and OpenSSL 3 refuses. Convert it once: ' +
      '"openssl pkcs12 -legacy -in apiclient_cert.p12 -nodes -out all.pem" and then "openssl pkcs12 -export -in all.pem -out new.p12" ' +
      '(same pass phrase), or give apiclient_cert.pem and apiclient_key.pem as cert and key'
  }
  return /mac verify|password|decrypt/i.test(problem) ? 'does not open with this pass phrase (default: the mchId)' : 'is not a PKCS#12 file (apiclient_cert.p12)'
}

function pemProblem (problem: string): string {
  if (/mismatch/i.test(problem)) return 'does not belong to the certificate in cert'
  if (/decrypt/i.test(problem)) return 'is encrypted and does not open with this pass phrase'
  return 'is not PEM (apiclient_cert.pem and apiclient_key.pem)'
}

const text = (pem: string | Uint8Array | undefined): string => Buffer.from(pem as string).toString()
