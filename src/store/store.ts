/**
 * State shared by processes. Tokens, tickets, logins and notifications all work the same way: for each key one process at a time
 * produces a value, the others wait for it, and it is kept until it expires. If a process dies, its lease expires and the
 * key is free again; if it comes back late, it can neither overwrite a newer value nor release another process's lease.
 */

/** Who does the work for a key: nobody, because the value exists (`done`); the caller (`acquired`); another process (`locked`). */
export type Turn =
  | { state: 'done', value: string, ttl: number }
  | { state: 'acquired' }
  | { state: 'locked' }

export interface Store {
  /** The value and the milliseconds it has left. */
  read (key: string): Promise<{ value: string, ttl: number } | undefined>
  /**
   * `done` if there is a value with more than `minTtl` ms left; otherwise the lease, for `lease` ms, if it is free.
   * Use the same `lease` for a key each time, in `renew` too: a lock with a longer TTL is treated as invalid and shortened to it.
   */
  acquire (key: string, owner: string, lease: number, minTtl?: number): Promise<Turn>
  /** Renews the lease; false if it is no longer the owner's. */
  renew (key: string, owner: string, lease: number): Promise<boolean>
  /** Writes the value for `ttl` ms and releases the lease; false, and nothing written, if the lease is no longer the owner's. */
  complete (key: string, owner: string, value: string, ttl: number): Promise<boolean>
  /** Releases the lease without writing a value, if it is the owner's. */
  release (key: string, owner: string): Promise<void>
  /** Deletes the value if it is still this one, and writes the tombstone in the same step. */
  delete (key: string, value: string, tombstone?: { key: string, value: string, ttl: number }): Promise<boolean>
  /** Writes a value for `ttl` ms, replacing any other. */
  set (key: string, value: string, ttl: number): Promise<void>
  /** Adds one and returns the count within the window of `window` ms that the first call started. */
  increment (key: string, window: number): Promise<number>
  /** The same store without its check of values, for a layer with its own check. */
  readonly bare?: Store
}
