/** WeChat's message encryption (sender): AES-256-CBC with the EncodingAESKey, and a signature with the token. */
import { createCipheriv, createHash } from 'node:crypto'

/** PKCS#7 padding to 32 bytes instead of AES's 16. */
const BLOCK = 32

/** `prefix`: 16 random characters; `appId`: the receiver's. Returns base64. */
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

/** `signature` covers token, timestamp and nonce; `msg_signature` also the ciphertext. */
export const signatureOf = (...parts: string[]): string => createHash('sha1').update(parts.sort().join('')).digest('hex')
