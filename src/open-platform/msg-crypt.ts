/**
 * WeChat's encrypted pushes: AES-256-CBC with the EncodingAESKey, its first 16 bytes as IV, PKCS#7 padding to 32 bytes.
 * Plaintext: 16 random bytes, the text's length (4 bytes, big-endian), the text, the receiver's appId. WeChat's
 * documentation "Message encryption and decryption" (消息加解密).
 */
import { createDecipheriv, timingSafeEqual } from 'node:crypto'
import { digest } from '../digest.ts'
import { WechatNotificationError } from '../errors.ts'

export interface MsgCryptOptions {
  /** 消息校验Token. */
  token: string
  /** 消息加解密Key, 43 characters. A list during a key change: all are accepted. */
  encodingAesKeys: readonly string[]
  /** The receiver: the component's appId. */
  receiverId: string
}

export interface SignedPush {
  timestamp: string
  nonce: string
  /** Base64, as in the document. */
  encrypted: string
  signature: string
}

export interface MsgCrypt {
  /** Verifies the signature before decrypting. @throws WechatNotificationError (401) */
  open (push: SignedPush): Buffer
}

const BLOCK = 32
const RANDOM = 16
const LENGTH = 4

export function createMsgCrypt ({ token, encodingAesKeys, receiverId }: MsgCryptOptions): MsgCrypt {
  const receiver = Buffer.from(receiverId)
  const keys = encodingAesKeys.map(key => Buffer.from(`${key}=`, 'base64'))

  function isSigned ({ timestamp, nonce, encrypted, signature }: SignedPush): boolean {
    const expected = Buffer.from(digest('sha1', [token, timestamp, nonce, encrypted].sort().join('')))
    const given = Buffer.from(signature)
    return given.length === expected.length && timingSafeEqual(given, expected)
  }

  return {
    open (push) {
      if (!isSigned(push)) throw new WechatNotificationError('its signature is not WeChat\'s', 401)
      const bytes = Buffer.from(push.encrypted, 'base64')
      // Node's base64 decoder ignores invalid characters.
      if (bytes.length === 0 || bytes.length % BLOCK !== 0 || bytes.toString('base64') !== push.encrypted) throw new WechatNotificationError('its ciphertext is missing or incomplete', 401)
      for (const key of keys) {
        const text = textIn(decrypt(key, bytes), receiver)
        if (text) return text
      }
      throw new WechatNotificationError('it was encrypted with another key, or for another receiver', 401)
    }
  }
}

/** EncodingAESKey: 43 base64 characters that encode the 32-byte key. */
export const isEncodingAesKey = (value: unknown): value is string => typeof value === 'string' && /^[0-9A-Za-z+/]{43}$/.test(value)

/** Returns the padding too: Node's automatic padding is for 16-byte blocks. */
function decrypt (key: Buffer, bytes: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-cbc', key, key.subarray(0, 16)).setAutoPadding(false)
  return Buffer.concat([decipher.update(bytes), decipher.final()])
}

/** Undefined unless padding, length and receiver are all correct. */
function textIn (plain: Buffer, receiver: Buffer): Buffer | undefined {
  const padding = plain[plain.length - 1] as number
  if (padding < 1 || padding > BLOCK || !plain.subarray(-padding).every(byte => byte === padding)) return undefined
  const message = plain.subarray(0, plain.length - padding)
  if (message.length < RANDOM + LENGTH + receiver.length) return undefined
  const end = RANDOM + LENGTH + message.readUInt32BE(RANDOM)
  return message.subarray(end).equals(receiver) ? message.subarray(RANDOM + LENGTH, end) : undefined
}
