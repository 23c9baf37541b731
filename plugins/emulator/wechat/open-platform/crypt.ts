/** WeChat's message encryption, the sending side: AES-256-CBC under the EncodingAESKey, and a signature under the token. */
import { createCipheriv, createHash } from 'node:crypto'

/** PKCS#7 to 32 bytes, not to AES's own 16. */
const BLOCK = 32

/** `prefix`: 16 characters that make equal messages unlike; `appId`: of the receiver. Base64. */
export function encryptMessage (xml: string, { appId, encodingAesKey }: { appId: string, encodingAesKey: string }, prefix: string): string {
  const key = Buffer.from(`${encodingAesKey}=`, 'base64')
  const text = Buffer.from(xml)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(text.length)
  const plain = Buffer.concat([Buffer.from(prefix), length, text, Buffer.from(appId)])
  const padding = BLOCK - plain.length % BLOCK
  const cipher = createCipheriv('aes-256-cbc', key, key.subarray(0, 16)).setAutoPadding(false)
  return Buffer.concat([cipher.update(plain), cipher.update(Buffer.alloc(padding, padding)), cipher.final()]).toString('base64')
}

/** `signature` is of token, timestamp and nonce; `msg_signature` of the ciphertext too. */
export const signatureOf = (...parts: string[]): string => createHash('sha1').update(parts.sort().join('')).digest('hex')
