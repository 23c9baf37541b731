/** req_info of a v2 refund notification: WeChat Pay v2 documentation, "Refund result notification". */
import { createDecipheriv, createHash } from 'node:crypto'

/** The cipher's key: the API key's MD5 in lower-case hex, as 32 ASCII characters. */
export function refundCipherKey (apiKey: string): string {
  return createHash('md5').update(apiKey).digest('hex')
}

/**
 * AES-256-ECB with PKCS#7 padding, base64. Unauthenticated: the cipher does not prove who encrypted the text.
 * @throws Error if the padding is invalid, which a wrong key or an altered text almost always causes
 */
export function decryptRefund (reqInfo: string, cipherKey: string): Buffer {
  const decipher = createDecipheriv('aes-256-ecb', cipherKey, null)
  return Buffer.concat([decipher.update(reqInfo, 'base64'), decipher.final()])
}
