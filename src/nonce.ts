import { randomFillSync } from 'node:crypto'

const BYTES = 16
const pool = Buffer.allocUnsafe(BYTES * 256)
let next = pool.length

/** 32 lower-case hex digits from the system's random source: a nonce_str (at most 32) or a state (letters and digits). */
export function nonce (): string {
  // One system call provides 256 nonces: the call costs more than the hash that the nonce is for.
  if (next === pool.length) {
    randomFillSync(pool)
    next = 0
  }
  next += BYTES
  return pool.toString('hex', next - BYTES, next)
}
