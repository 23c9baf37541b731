/**
 * What processes share. One idea serves tokens, tickets, logins and notifications: for each key one process at a time
 * makes a value, the others wait for it, and it is kept until it expires. If a process dies, its lease expires and the
 * key is free again; if it comes back late, it can neither overwrite a newer value nor free another process's lease.
 */

/** Who does the work for a key: nobody, the value is there (`done`); the caller (`acquired`); another process (`locked`). */
export type Turn =
  | { state: 'done', value: string, ttl: number }
  | { state: 'acquired' }
  | { state: 'locked' }

export interface Store {
  /** The value and the milliseconds it has left. */
  read (key: string): Promise<{ value: string, ttl: number } | undefined>
  /**
   * `done` if there is a value with more than `minTtl` ms left; else the lease, for `lease` ms, if it is free.
   * Use the same `lease` for a key each time, in `renew` too: a lock that lives longer is treated as garbage and cut to it.
   */
  acquire (key: string, owner: string, lease: number, minTtl?: number): Promise<Turn>
  /** Renews the lease; false if it is no longer the owner's. */
  renew (key: string, owner: string, lease: number): Promise<boolean>
  /** Writes the value for `ttl` ms and frees the lease; false, and nothing written, if the lease is no longer the owner's. */
  complete (key: string, owner: string, value: string, ttl: number): Promise<boolean>
  /** Frees the lease, if it is the owner's, without a value. */
  release (key: string, owner: string): Promise<void>
  /** Deletes the value if it is still this one, and writes the tombstone in the same step. */
  delete (key: string, value: string, tombstone?: { key: string, value: string, ttl: number }): Promise<boolean>
  /** Writes a value for `ttl` ms, whatever was there. */
  set (key: string, value: string, ttl: number): Promise<void>
  /** Adds one, and returns the count within the window of `window` ms that the first call opened. */
  increment (key: string, window: number): Promise<number>
  /** The same store without the check of what a value may be, for a layer that checks by itself. */
  readonly bare?: Store
}
