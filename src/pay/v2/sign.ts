/** The v2 signature: WeChat Pay v2 documentation, "Signature algorithm". */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { digest } from '../../digest.ts'

export type SignType = 'MD5' | 'HMAC-SHA256'

/** Upper-case hex over every non-empty field except `sign`, names in byte order, values not encoded. */
export function signV2 (fields: Readonly<Record<string, string | undefined>>, apiKey: string, signType: SignType): string {
  let text = ''
  for (const name of Object.keys(fields).sort()) {
    const value = fields[name]
    if (name !== 'sign' && value !== undefined && value !== '') text += `${name}=${value}&`
  }
  text += `key=${apiKey}`
  const hex = signType === 'MD5' ? digest('md5', text) : createHmac('sha256', apiKey).update(text).digest('hex')
  return hex.toUpperCase()
}

/**
 * Whether `fields.sign` is valid with this key or, during a key change, with one of several. The algorithm comes from the configuration: a message that names another one in
 * its sign_type is refused. Compares in constant time.
 */
export function verifyV2 (fields: Readonly<Record<string, string | undefined>>, apiKey: string | readonly string[], signType: SignType): boolean {
  if (typeof apiKey !== 'string') return apiKey.some(key => verifyV2(fields, key, signType))
  if (fields.sign_type && fields.sign_type !== signType) return false
  const expected = Buffer.from(signV2(fields, apiKey, signType))
  const given = Buffer.from(fields.sign ?? '')
  return given.length === expected.length && timingSafeEqual(given, expected)
}
