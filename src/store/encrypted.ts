/**
 * Values encrypted before they leave the process, for a Redis that others can read: AES-256-GCM, written as
 * `v1.` + base64url(nonce, ciphertext, tag), bound to the name they lie under. Locks and counters hold no secret and stay plain.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from 'node:crypto'
import { WechatConfigError } from '../errors.ts'
import type { Store } from './store.ts'

const MARK = 'v1.'
const NONCE = 12
const TAG = 16

/** @throws WechatConfigError unless `key` is 32 bytes, or their hex or base64 */
export function createEncryptedStore (store: Store, key: string | Uint8Array): Store {
  const master = keyBytes(key)
  const derive = (use: string) => Buffer.from(hkdfSync('sha256', master, '', `fastify-wechat-pay ${use}`, 32))
  const cipherKey = derive('encrypt')
  const nonceKey = derive('nonce')

  /** The nonce follows from name and value: equal values look equal, which is what compare-and-drop needs, and no nonce ever serves two texts. */
  function seal (name: string, value: string): string {
    const nonce = createHmac('sha256', nonceKey).update(`${name.length}:${name}${value}`).digest().subarray(0, NONCE)
    const cipher = createCipheriv('aes-256-gcm', cipherKey, nonce, { authTagLength: TAG }).setAAD(Buffer.from(name))
    return MARK + Buffer.concat([nonce, cipher.update(value, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString('base64url')
  }

  /** Empty, which is never a token, for what was not written with this key. */
  function open (name: string, sealed: string): string {
    const bytes = Buffer.from(sealed.startsWith(MARK) ? sealed.slice(MARK.length) : '', 'base64url')
    if (bytes.length < NONCE + TAG) return ''
    const decipher = createDecipheriv('aes-256-gcm', cipherKey, bytes.subarray(0, NONCE), { authTagLength: TAG })
      .setAAD(Buffer.from(name))
      .setAuthTag(bytes.subarray(-TAG))
    try {
      return Buffer.concat([decipher.update(bytes.subarray(NONCE, -TAG)), decipher.final()]).toString()
    } catch {
      return ''
    }
  }

  return {
    ...store,
    async read (name) {
      const found = await store.read(name)
      return found && { ...found, value: open(name, found.value) }
    },
    async take (name, owner, lease, minTtl) {
      const turn = await store.take(name, owner, lease, minTtl)
      return turn.state === 'done' ? { ...turn, value: open(name, turn.value) } : turn
    },
    finish: (name, owner, value, ttl) => store.finish(name, owner, seal(name, value), ttl),
    drop: (name, value, note) => store.drop(name, seal(name, value), note && { ...note, value: seal(note.key, note.value) }),
    note: (name, value, ttl) => store.note(name, seal(name, value), ttl)
  }
}

/** @throws WechatConfigError */
export function keyBytes (key: unknown): Uint8Array {
  const bytes = typeof key === 'string' ? Buffer.from(key, /^[0-9a-f]{64}$/i.test(key) ? 'hex' : 'base64') : key
  if (!(bytes instanceof Uint8Array) || bytes.length !== 32) {
    throw new WechatConfigError('encryptionKey', 'must be 32 random bytes, as a Buffer or as their hex or base64')
  }
  return bytes
}
