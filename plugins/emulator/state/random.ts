/** The source of ids and nonces: the system's random source, or a seed that makes a run repeatable. */
import { createHash, randomBytes } from 'node:crypto'

export interface Random {
  /** Twice as many characters as bytes. */
  hex (bytes: number): string
  digits (count: number): string
  /** Letters of both cases and digits. */
  word (count: number): string
  /** An integer from 0 up to, but not including, `limit` (at most 256). */
  below (limit: number): number
  /** As in RFC 9562, version 4. */
  uuid (): string
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** The same seed gives the same values in the same order. Never used for keys: a reproducible key is no secret. */
export function createRandom (seed?: string): Random {
  // One system call for many values: it costs more than the rest of an order.
  const bytes = drawFrom(seed === undefined ? () => randomBytes(4096) : seeded(seed))
  const hex = (count: number) => bytes(count).toString('hex')

  function below (limit: number): number {
    // Redraw bytes that would favour smaller numbers (modulo bias).
    for (;;) {
      const [drawn = 0] = bytes(1)
      if (drawn < 256 - 256 % limit) return drawn % limit
    }
  }

  return {
    hex,
    below,
    word: count => Array.from({ length: count }, () => ALPHABET[below(ALPHABET.length)]).join(''),
    digits: count => Array.from({ length: count }, () => below(10)).join(''),
    uuid: () => hex(16).replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, '$1-$2-4$3-a$4-$5')
  }
}

/** Takes bytes from blocks, in order. */
function drawFrom (nextBlock: () => Buffer): (count: number) => Buffer {
  let pool = Buffer.alloc(0)
  return count => {
    while (pool.length < count) pool = Buffer.concat([pool, nextBlock()])
    const drawn = pool.subarray(0, count)
    pool = pool.subarray(count)
    return drawn
  }
}

function seeded (seed: string): () => Buffer {
  let block = 0
  return () => createHash('sha256').update(`${seed}/${block++}`).digest()
}
