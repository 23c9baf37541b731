/**
 * Values encrypted before they leave the process, for a Redis that others can read: AES-256-GCM, written as
 * `v1.` + base64url(nonce, ciphertext, tag), bound to their key's name. Locks, counters and records of completed work
 * contain no secrets and stay plain: changing the encryption key must not make anything happen twice.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from 'node:crypto'
import { WechatConfigError } from '../errors.ts'
import { isMark } from './key.ts'
import { createFormattedStore, looksEncrypted, plain, ENCRYPTED_PREFIX } from './formatted.ts'
import type { Store } from './store.ts'

const NONCE = 12
const TAG = 16

/**
 * A value that was not written with this key counts as missing.
 * @throws WechatConfigError unless `key` is 32 bytes, or their hex or base64
 */
export function createEncryptedStore (store: Store, key: string | Uint8Array): Store {
  const master = keyBytes(key)
  const derive = (use: string) => Buffer.from(hkdfSync('sha256', master, '', `fastify-wechat-pay ${use}`, 32))
  const cipherKey = derive('encrypt')
  const nonceKey = derive('nonce')

  /** The nonce is derived from name and value: equal values encrypt equally, which compare-and-delete needs, and no nonce is used for two texts. */
  function encrypt (name: string, value: string): string {
    const nonce = createHmac('sha256', nonceKey).update(`${name.length}:${name}${value}`).digest().subarray(0, NONCE)
    const cipher = createCipheriv('aes-256-gcm', cipherKey, nonce, { authTagLength: TAG }).setAAD(Buffer.from(name))
    return ENCRYPTED_PREFIX + Buffer.concat([nonce, cipher.update(value, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString('base64url')
  }

  function open (name: string, sealed: string): string | undefined {
    const bytes = Buffer.from(sealed.slice(ENCRYPTED_PREFIX.length), 'base64url')
    const decipher = createDecipheriv('aes-256-gcm', cipherKey, bytes.subarray(0, NONCE), { authTagLength: TAG })
      .setAAD(Buffer.from(name))
      .setAuthTag(bytes.subarray(-TAG))
    try {
      return Buffer.concat([decipher.update(bytes.subarray(NONCE, -TAG)), decipher.final()]).toString()
    } catch {
      return undefined
    }
  }

  return createFormattedStore(store, {
    write: (name, value) => isMark(name) ? plain.write(name, value) : encrypt(name, value),
    read (name, stored) {
      // Records of completed work, too: earlier versions encrypted them.
      if (looksEncrypted(stored)) return open(name, stored)
      return isMark(name) ? plain.read(name, stored) : undefined
    }
  })
}

/** @throws WechatConfigError */
export function keyBytes (key: unknown): Uint8Array {
  const bytes = typeof key === 'string' ? Buffer.from(key, /^[0-9a-f]{64}$/i.test(key) ? 'hex' : 'base64') : key
  if (!(bytes instanceof Uint8Array) || bytes.length !== 32) {
    throw new WechatConfigError('encryptionKey', 'must be 32 random bytes, as a Buffer or as their hex or base64')
  }
  return bytes
}
