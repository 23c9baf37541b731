/**
 * The only place that decides what counts as a value. A value that was written with another key, or is plain where values
 * are encrypted, or encrypted where they are plain, counts as missing: no caller sees it, and the next lease holder overwrites it.
 */
import type { Store } from './store.ts'

/** How values are encoded in the underlying store. */
export interface Format {
  write (key: string, value: string): string
  /** Undefined for a text that this format did not write. */
  read (key: string, stored: string): string | undefined
}

/** Prefix of an encrypted value: see encrypted.ts. */
export const ENCRYPTED_PREFIX = 'v1.'
/** Nonce and tag alone are 38 characters. */
const ENCRYPTED = /^v1\.[\w-]{38,}$/
/** Prefix of a plain value that looks encrypted. */
const QUOTE = 'plain:'
const QUOTED = /^(?:plain:)+v1\.[\w-]{38,}$/

export const looksEncrypted = (stored: string): boolean => ENCRYPTED.test(stored)

/** Stores values unchanged. A provider's token may look encrypted by chance; it must still be readable. */
export const plain: Format = {
  write: (_key, value) => looksEncrypted(value) || QUOTED.test(value) ? QUOTE + value : value,
  read (_key, stored) {
    if (looksEncrypted(stored)) return undefined
    return QUOTED.test(stored) ? stored.slice(QUOTE.length) : stored
  }
}

export function createFormattedStore (store: Store, { write, read }: Format): Store {
  // A layer with its own format must see values that this store's format would hide.
  const bare = store.bare ?? store
  return {
    ...bare,
    bare,
    async read (key) {
      const found = await bare.read(key)
      const value = found && read(key, found.value)
      return found && value !== undefined ? { ...found, value } : undefined
    },
    async acquire (key, owner, lease, minTtl) {
      for (;;) {
        const turn = await bare.acquire(key, owner, lease, minTtl)
        if (turn.state !== 'done') return turn
        const value = read(key, turn.value)
        if (value !== undefined) return { ...turn, value }
        // Only if it is unchanged: another process may have written a valid value meanwhile.
        await bare.delete(key, turn.value)
      }
    },
    complete: (key, owner, value, ttl) => bare.complete(key, owner, write(key, value), ttl),
    delete: (key, value, tombstone) => bare.delete(key, write(key, value), tombstone && { ...tombstone, value: write(tombstone.key, tombstone.value) }),
    set: (key, value, ttl) => bare.set(key, write(key, value), ttl)
  }
}
