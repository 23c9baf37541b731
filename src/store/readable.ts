/**
 * What counts as a value is decided here and nowhere else. One that was written with another key, or plain where values
 * are sealed, or sealed where they are plain, is no value: nobody gets to see it, and whoever takes its turn overwrites it.
 */
import type { Store } from './store.ts'

/** How values are written below. */
export interface Format {
  write (key: string, value: string): string
  /** Undefined for what this format did not write. */
  read (key: string, stored: string): string | undefined
}

/** Before a sealed value: see encrypted.ts. */
export const SEALED = 'v1.'
/** Nonce and tag alone are 38 characters. */
const LOOKS_SEALED = /^v1\.[\w-]{38,}$/
/** A plain value that looks sealed is told apart by this. */
const QUOTE = 'plain:'
const LOOKS_QUOTED = /^(?:plain:)+v1\.[\w-]{38,}$/

export const looksSealed = (stored: string): boolean => LOOKS_SEALED.test(stored)

/** As it is. A token of another make may look sealed by chance; it shall still come back. */
export const plain: Format = {
  write: (_key, value) => looksSealed(value) || LOOKS_QUOTED.test(value) ? QUOTE + value : value,
  read (_key, stored) {
    if (looksSealed(stored)) return undefined
    return LOOKS_QUOTED.test(stored) ? stored.slice(QUOTE.length) : stored
  }
}

export function createReadableStore (store: Store, { write, read }: Format): Store {
  // A layer that reads in its own way must see what this store's own format hides.
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
        // Only if it is still there: another process may have written a good one meanwhile.
        await bare.delete(key, turn.value)
      }
    },
    complete: (key, owner, value, ttl) => bare.complete(key, owner, write(key, value), ttl),
    delete: (key, value, tombstone) => bare.delete(key, write(key, value), tombstone && { ...tombstone, value: write(tombstone.key, tombstone.value) }),
    set: (key, value, ttl) => bare.set(key, write(key, value), ttl)
  }
}
