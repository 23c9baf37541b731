/** Decrypts resources with the APIv3 key, written from WeChat's documentation, without this package's code. */
import { createDecipheriv } from 'node:crypto'

interface Sealed { ciphertext: string, nonce: string, associated_data?: string }

/** A notification's body, or an object with a `resource`. */
export function openResource (message: string | { resource: Sealed }, apiV3Key: string): string {
  const { resource: { ciphertext, nonce, associated_data: associated = '' } } = typeof message === 'string' ? JSON.parse(message) as { resource: Sealed } : message
  const bytes = Buffer.from(ciphertext, 'base64')
  const decipher = createDecipheriv('aes-256-gcm', apiV3Key, nonce, { authTagLength: 16 }).setAAD(Buffer.from(associated)).setAuthTag(bytes.subarray(-16))
  return Buffer.concat([decipher.update(bytes.subarray(0, -16)), decipher.final()]).toString()
}
