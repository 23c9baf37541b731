/** The encrypted part of a v3 message: WeChat Pay APIv3 documentation, "Decrypting notifications and certificates". */
import { createDecipheriv } from 'node:crypto'

export interface EncryptedResource {
  /** base64; its last 16 bytes are the tag. */
  ciphertext: string
  nonce: string
  associated_data?: string
}

const TAG_LENGTH = 16

/**
 * Decrypts AEAD_AES_256_GCM with the 32-byte APIv3 key; during a key change, with the matching one of several.
 * @throws Error if text, nonce, associated data or tag was altered
 */
export function decryptResource (resource: EncryptedResource, apiV3Key: string | readonly string[]): Buffer {
  if (typeof apiV3Key === 'string') return decrypted(resource, apiV3Key)
  let failure: unknown
  for (const key of apiV3Key) {
    try {
      return decrypted(resource, key)
    } catch (error) {
      failure = error
    }
  }
  throw failure
}

function decrypted ({ ciphertext, nonce, associated_data: associated = '' }: EncryptedResource, apiV3Key: string): Buffer {
  const bytes = Buffer.from(ciphertext, 'base64')
  if (bytes.length < TAG_LENGTH) throw new Error('the ciphertext is shorter than its tag')
  // Without authTagLength, older Node versions accept a four-byte tag, which can be guessed.
  const decipher = createDecipheriv('aes-256-gcm', apiV3Key, nonce, { authTagLength: TAG_LENGTH })
  decipher.setAuthTag(bytes.subarray(-TAG_LENGTH))
  decipher.setAAD(Buffer.from(associated))
  return Buffer.concat([decipher.update(bytes.subarray(0, -TAG_LENGTH)), decipher.final()])
}
