/**
 * What processes share. One idea serves tokens, tickets, logins and notifications alike: for each key one worker at a
 * time makes a value, the others wait for it, and it is remembered for its life-time. A worker that dies frees the key
 * when its lease ends; one that comes back late can neither overwrite a newer value nor free somebody else's lease.
 */

/** Who does the work for a key: nobody has to (`done`), the asker (`mine`), or somebody else just now (`taken`). */
export type Turn =
  | { state: 'done', value: string, ttl: number }
  | { state: 'mine' }
  | { state: 'taken' }

export interface Store {
  /** The value and the milliseconds it has left. */
  read (key: string): Promise<{ value: string, ttl: number } | undefined>
  /**
   * `done` if a value with more than `minTtl` ms left is there; else the lease, for `lease` ms, if it is free.
   * For one key `lease` is always the same, in `extend` too: a lock that lives longer is taken for rubbish and cut down to it.
   */
  take (key: string, owner: string, lease: number, minTtl?: number): Promise<Turn>
  /** Renews the lease; false if it is no longer the owner's. */
  extend (key: string, owner: string, lease: number): Promise<boolean>
  /** Writes the value for `ttl` ms and frees the lease; false, and nothing written, if the lease is no longer the owner's. */
  finish (key: string, owner: string, value: string, ttl: number): Promise<boolean>
  /** Frees the lease, if it is the owner's, without a value. */
  release (key: string, owner: string): Promise<void>
  /** Forgets the value, if it is still this one, and in the same step leaves a note that says so. */
  drop (key: string, value: string, note?: { key: string, value: string, ttl: number }): Promise<boolean>
  /** Writes a note of `ttl` ms, whatever was there. */
  note (key: string, value: string, ttl: number): Promise<void>
  /** Counts this call; how many there were in the window of `window` ms that the first of them opened. */
  count (key: string, window: number): Promise<number>
  /** The same store for a layer that decides by itself what a value is: with everything in it that this one does not take for its own. */
  readonly bare?: Store
}
