/** Keys of APIv3 as merchants hold them, told apart from what is easily mistaken for them. */
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

/** What a text looks like, in words; a file's name is the commonest mistake. */
function looksLike (pem: string): string {
  const found = LOOK_ALIKES.find(([mark]) => mark.test(pem))?.[1]
  if (found === 'a certificate') return whoseCertificate(pem)
  if (found) return found
  if (/\.(?:pem|p12|key|crt|cer)$/i.test(pem.trim())) return 'the name of a file: read it and give what it holds'
  return pem.includes('BEGIN') ? 'no key that is known here' : 'not PEM (it has no BEGIN line)'
}

/** Its subject tells: WeChat Pay's bear Tenpay's name, a merchant's its number. */
function whoseCertificate (pem: string): string {
  try {
    const { subject } = new X509Certificate(pem)
    if (/tenpay/i.test(subject)) return 'a certificate of WeChat Pay\'s (a platform certificate)'
    if (/CN=\d+$/m.test(subject)) return 'a certificate of a merchant\'s (apiclient_cert.pem)'
  } catch { /* damaged */ }
  return 'a certificate'
}

function textOf (option: string, value: unknown): string {
  if (typeof value === 'string' && value !== '') return value
  if (value instanceof Uint8Array && value.length > 0) return Buffer.from(value).toString()
  throw new WechatConfigError(option, 'is required')
}

/** apiclient_key.pem. @throws WechatConfigError saying which of the look-alikes it is */
export function readPrivateKey (option: string, value: Pem | undefined): KeyObject {
  const pem = textOf(option, value)
  const seems = looksLike(pem)
  if (!seems.startsWith('a private key')) throw new WechatConfigError(option, `must be the merchant's private key (apiclient_key.pem) and is ${seems}`)
  return rsaKey(option, seems, () => createPrivateKey(pem))
}

/** WeChat Pay's public key (pub_key.pem). @throws WechatConfigError saying which of the look-alikes it is */
export function readPublicKey (option: string, value: Pem | undefined): KeyObject {
  const pem = textOf(option, value)
  const seems = looksLike(pem)
  if (seems.startsWith('a certificate')) throw new WechatConfigError(option, `must be WeChat Pay's public key (pub_key.pem) and is ${seems}: platform certificates are fetched, and the merchant's own belongs into merchant.v3.certificate`)
  if (!seems.startsWith('a public key')) throw new WechatConfigError(option, `must be WeChat Pay's public key (pub_key.pem) and is ${seems}`)
  return rsaKey(option, seems, () => createPublicKey(pem))
}

function rsaKey (option: string, seems: string, read: () => KeyObject): KeyObject {
  let key: KeyObject | undefined
  try { key = read() } catch { /* damaged: said below */ }
  if (key?.asymmetricKeyType !== 'rsa') throw new WechatConfigError(option, key ? `is ${seems} of another kind than RSA` : `looks like ${seems}, but is damaged`)
  return key
}

/** The merchant's API certificate (apiclient_cert.pem). @throws WechatConfigError also if the key is another's */
export function readCertificate (option: string, value: Pem, privateKey: KeyObject | undefined): X509Certificate {
  const pem = textOf(option, value)
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(pem)
  } catch {
    throw new WechatConfigError(option, `must be the merchant's certificate (apiclient_cert.pem) and is ${looksLike(pem)}`)
  }
  if (privateKey && !certificate.checkPrivateKey(privateKey)) throw new WechatConfigError(option, `does not belong to the private key: it is ${whoseCertificate(pem)}`)
  return certificate
}
