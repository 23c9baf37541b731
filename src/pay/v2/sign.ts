/** The v2 signature: WeChat Pay v2 documentation, "Signature algorithm". */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { digest } from '../../digest.ts'

export type SignType = 'MD5' | 'HMAC-SHA256'

type Signable = Readonly<Record<string, string | undefined>>

/** Upper-case hex over every non-empty field except `sign`, names in byte order, values not encoded. */
export function signV2 (fields: Signable, apiKey: string, signType: SignType): string {
  return signatureOf(textToSign(fields, Object.keys(fields).sort()), apiKey, signType)
}

function textToSign (fields: Signable, names: readonly string[]): string {
  let text = ''
  for (const name of names) {
    const value = fields[name]
    if (value !== undefined && value !== '' && name !== 'sign') text += name + '=' + value + '&'
  }
  return text
}

function signatureOf (text: string, apiKey: string, signType: SignType): string {
  const whole = `${text}key=${apiKey}`
  const hex = signType === 'MD5' ? digest('md5', whole) : createHmac('sha256', apiKey).update(whole).digest('hex')
  return hex.toUpperCase()
}

/**
 * Whether `fields.sign` is valid with this key or, during a key change, with one of several. The algorithm comes from the configuration: a message that names another one in
 * its sign_type is refused. Compares in constant time. `names`: those of all fields in byte order, if the caller has them.
 */
export function verifyV2 (fields: Signable, apiKey: string | readonly string[], signType: SignType, names: readonly string[] = Object.keys(fields).sort()): boolean {
  const { sign = '', sign_type: named } = fields
  if (named && named !== signType) return false
  // The format is not secret, so this need not take constant time.
  if (!SIGNATURE[signType].test(sign)) return false
  const text = textToSign(fields, names)
  const given = Buffer.from(sign, 'latin1')
  return (typeof apiKey === 'string' ? [apiKey] : apiKey).some(key => timingSafeEqual(given, Buffer.from(signatureOf(text, key, signType), 'latin1')))
}

const SIGNATURE = { MD5: /^[0-9A-F]{32}$/, 'HMAC-SHA256': /^[0-9A-F]{64}$/ } as const
