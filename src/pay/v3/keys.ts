/** Reads a merchant's APIv3 keys, and recognizes what is often confused with them. */
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { WechatConfigError } from '../../errors.ts'

type Pem = string | Uint8Array

const LOOK_ALIKES: ReadonlyArray<readonly [RegExp, string]> = [
  [/BEGIN CERTIFICATE REQUEST/, 'a certificate request'],
  [/BEGIN CERTIFICATE/, 'a certificate'],
  [/BEGIN ENCRYPTED PRIVATE KEY|Proc-Type: 4,ENCRYPTED/, 'an encrypted private key'],
  [/BEGIN RSA PRIVATE KEY/, 'a private key (PKCS#1)'],
  [/BEGIN PRIVATE KEY/, 'a private key (PKCS#8)'],
  [/BEGIN RSA PUBLIC KEY/, 'a public key (PKCS#1)'],
  [/BEGIN PUBLIC KEY/, 'a public key']
]

/** Describes what a text looks like; a file name is the most common mistake. */
function looksLike (pem: string): string {
  const found = LOOK_ALIKES.find(([mark]) => mark.test(pem))?.[1]
  if (found === 'a certificate') return certificateKind(pem)
  if (found) return found
  if (/\.(?:pem|p12|key|crt|cer)$/i.test(pem.trim())) return 'a file name: read the file and pass its content'
  return pem.includes('BEGIN') ? 'an unknown type of PEM' : 'not PEM (it has no BEGIN line)'
}

/** Recognized by the subject: WeChat Pay's certificates name Tenpay, a merchant's its mchId. */
function certificateKind (pem: string): string {
  try {
    const { subject } = new X509Certificate(pem)
    if (/tenpay/i.test(subject)) return 'a WeChat Pay certificate (platform certificate)'
    if (/CN=\d+$/m.test(subject)) return 'a merchant\'s certificate (apiclient_cert.pem)'
  } catch { /* damaged */ }
  return 'a certificate'
}

function textOf (option: string, value: unknown): string {
  if (typeof value === 'string' && value !== '') return value
  if (value instanceof Uint8Array && value.length > 0) return Buffer.from(value).toString()
  throw new WechatConfigError(option, 'is required')
}

/** apiclient_key.pem. @throws WechatConfigError saying what it is instead */
export function readPrivateKey (option: string, value: Pem | undefined): KeyObject {
  const pem = textOf(option, value)
  const kind = looksLike(pem)
  if (!kind.startsWith('a private key')) throw new WechatConfigError(option, `must be the merchant's private key (apiclient_key.pem), but is ${kind}`)
  return rsaKey(option, kind, () => createPrivateKey(pem))
}

/** WeChat Pay's public key (pub_key.pem). @throws WechatConfigError saying what it is instead */
export function readPublicKey (option: string, value: Pem | undefined): KeyObject {
  const pem = textOf(option, value)
  const kind = looksLike(pem)
  if (kind.includes('certificate')) throw new WechatConfigError(option, `must be WeChat Pay's public key (pub_key.pem), but is ${kind}: platform certificates are fetched automatically, and the merchant's own goes into merchant.v3.certificate`)
  if (!kind.startsWith('a public key')) throw new WechatConfigError(option, `must be WeChat Pay's public key (pub_key.pem), but is ${kind}`)
  return rsaKey(option, kind, () => createPublicKey(pem))
}

function rsaKey (option: string, kind: string, read: () => KeyObject): KeyObject {
  let key: KeyObject | undefined
  try { key = read() } catch { /* damaged: reported below */ }
  if (key?.asymmetricKeyType !== 'rsa') throw new WechatConfigError(option, key ? `is ${kind}, but not RSA` : `looks like ${kind}, but is damaged`)
  return key
}

/** The merchant's API certificate (apiclient_cert.pem). @throws WechatConfigError also if the key is another's */
export function readCertificate (option: string, value: Pem, privateKey: KeyObject | undefined): X509Certificate {
  const pem = textOf(option, value)
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(pem)
  } catch {
    throw new WechatConfigError(option, `must be the merchant's certificate (apiclient_cert.pem), but is ${looksLike(pem)}`)
  }
  if (privateKey && !certificate.checkPrivateKey(privateKey)) throw new WechatConfigError(option, `does not belong to the private key: it is ${certificateKind(pem)}`)
  return certificate
}
