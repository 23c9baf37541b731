/** Describes a PEM text in both languages, and a certificate's validity. */
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { Bilingual, Finding } from './check.ts'

export interface Kind extends Bilingual { id: string }

const kind = (id: string, en: string, zh: string): Kind => ({ id, en, zh })

const KINDS: ReadonlyArray<readonly [RegExp, Kind]> = [
  [/BEGIN CERTIFICATE REQUEST/, kind('request', 'a certificate request', '证书请求文件（CSR）')],
  [/BEGIN CERTIFICATE/, kind('certificate', 'a certificate', '证书')],
  [/BEGIN ENCRYPTED PRIVATE KEY|Proc-Type: 4,ENCRYPTED/, kind('encrypted', 'an encrypted private key', '加密的私钥')],
  [/BEGIN (?:RSA )?PRIVATE KEY/, kind('private key', 'a private key', '私钥')],
  [/BEGIN (?:RSA )?PUBLIC KEY/, kind('public key', 'a public key', '公钥')],
  [/^[^\n]{1,300}\.(?:pem|p12|key|crt|cer)\s*$/i, kind('file', 'a file name, not the file\'s content', '文件名，而不是文件内容')]
]
const PLATFORM = kind('platform certificate', 'a WeChat Pay certificate (platform certificate)', '微信支付平台证书')
const MERCHANT = kind('merchant certificate', 'a merchant\'s certificate (apiclient_cert.pem)', '商户证书（apiclient_cert.pem）')
const NO_PEM = kind('none', 'not PEM (it has no BEGIN line)', '不是 PEM（没有 BEGIN 行）')

export function kindOf (pem: string): Kind {
  const found = KINDS.find(([mark]) => mark.test(pem))?.[1] ?? NO_PEM
  if (found.id !== 'certificate') return found
  try {
    const { subject } = new X509Certificate(pem)
    if (/tenpay/i.test(subject)) return PLATFORM
    if (/CN=\d+$/m.test(subject)) return MERCHANT
  } catch { /* damaged */ }
  return found
}

/** A signer (KMS, HSM) instead of a key. */
export const isSigner = (value: unknown): boolean => typeof value === 'object' && value !== null && !(value instanceof Uint8Array) && 'sign' in value

export const pemOf = (value: unknown): string => value instanceof Uint8Array ? Buffer.from(value).toString() : typeof value === 'string' ? value : ''

/** Undefined if it cannot be read. */
export const privateKeyIn = (pem: string, passphrase?: string): KeyObject | undefined => opened(() => createPrivateKey({ key: pem, passphrase }))
/** Of a public key, or the public half of a private one. */
export const publicKeyIn = (pem: string): KeyObject | undefined => opened(() => createPublicKey(pem))

function opened (open: () => KeyObject): KeyObject | undefined {
  try {
    return open()
  } catch {
    return undefined
  }
}

const DAY = 86_400_000
/** Days before expiry from which to warn about a merchant's certificate. */
const NOTICE = 30

export function lifeOf ({ validFrom, validTo }: Pick<X509Certificate, 'validFrom' | 'validTo'>, name: string, notice = NOTICE): Finding<'fits' | 'expired' | 'early' | 'soon'> {
  const [begin, end] = [new Date(validFrom), new Date(validTo)]
  const days = Math.floor((end.getTime() - Date.now()) / DAY)
  const values = { name, begin: dayOf(begin), end: dayOf(end), days }
  if (end.getTime() <= Date.now()) return { outcome: 'expired', values }
  if (begin.getTime() > Date.now()) return { outcome: 'early', values }
  return { outcome: days < notice ? 'soon' : 'fits', values }
}

const dayOf = (date: Date) => date.toISOString().slice(0, 10)
