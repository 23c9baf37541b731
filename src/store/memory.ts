import { systemClock } from '../clock.ts'
import type { Clock } from '../clock.ts'
import type { Store } from './store.ts'

interface Entry { value: string, until: number }

/** Number of entries above which expired ones are removed. */
const SWEEP_AT = 1024

/** A map with expiring entries. */
function createTimed (clock: Pick<Clock, 'now'>) {
  const entries = new Map<string, Entry>()
  let sweepAt = SWEEP_AT

  function live (key: string): Entry | undefined {
    const entry = entries.get(key)
    if (entry === undefined || entry.until > clock.now()) return entry
    entries.delete(key)
  }

  return {
    live,
    write (key: string, value: string, ttl: number): void {
      if (entries.size >= sweepAt) {
        for (const key of entries.keys()) live(key)
        sweepAt = Math.max(SWEEP_AT, entries.size * 2)
      }
      entries.set(key, { value, until: clock.now() + ttl })
    },
    delete: (key: string): boolean => entries.delete(key)
  }
}

/** The default store, for a single process. */
export function createMemoryStore (clock: Pick<Clock, 'now'> = systemClock): Store {
  const { live, write, delete: forget } = createTimed(clock)
  const leases = createTimed(clock)
  const owns = (key: string, owner: string) => leases.live(key)?.value === owner

  return {
    async read (key) {
      const entry = live(key)
      return entry && { value: entry.value, ttl: entry.until - clock.now() }
    },
    async acquire (key, owner, ms, minTtl = 0) {
      const entry = live(key)
      const ttl = entry ? entry.until - clock.now() : 0
      if (entry && ttl > minTtl) return { state: 'done', value: entry.value, ttl }
      if (leases.live(key)) return { state: 'locked' }
      leases.write(key, owner, ms)
      return { state: 'acquired' }
    },
    async renew (key, owner, ms) {
      if (!owns(key, owner)) return false
      leases.write(key, owner, ms)
      return true
    },
    async complete (key, owner, value, ttl) {
      if (!owns(key, owner)) return false
      write(key, value, ttl)
      leases.delete(key)
      return true
    },
    async release (key, owner) {
      if (owns(key, owner)) leases.delete(key)
    },
    async delete (key, value, tombstone) {
      if (live(key)?.value !== value) return false
      forget(key)
      if (tombstone) write(tombstone.key, tombstone.value, tombstone.ttl)
      return true
    },
    async set (key, value, ttl) {
      write(key, value, ttl)
    },
    async increment (key, window) {
      const entry = live(key)
      if (!entry) {
        write(key, '1', window)
        return 1
      }
      entry.value = String(Number(entry.value) + 1)
      return Number(entry.value)
    }
  }
}
