/**
 * RSA keys from two primes. OpenSSL's generator follows FIPS 186-4, which takes more than twice as long and was most of
 * the first start. Acceptable because these keys are only used by the emulator.
 */
import { createPrivateKey, createPublicKey, generatePrime, generatePrimeSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { promisify } from 'node:util'

export interface KeyPair { publicKey: KeyObject, privateKey: KeyObject }

/** Bits per prime, for 2048-bit keys. */
const HALF = 1024
const E = 65537n

/** Generates both primes in parallel in the thread pool. */
export async function makeRsa (): Promise<KeyPair> {
  const prime = promisify(generatePrime) as unknown as (bits: number, options: { bigint: true }) => Promise<bigint>
  for (;;) {
    const pair = fromPrimes(...await Promise.all([prime(HALF, { bigint: true }), prime(HALF, { bigint: true })]))
    if (pair) return pair
  }
}

export function makeRsaSync (): KeyPair {
  for (;;) {
    const pair = fromPrimes(generatePrimeSync(HALF, { bigint: true }), generatePrimeSync(HALF, { bigint: true }))
    if (pair) return pair
  }
}

/** Undefined for the few prime pairs that give no key of this size and exponent. */
function fromPrimes (p: bigint, q: bigint): KeyPair | undefined {
  const n = p * q
  const all = (p - 1n) * (q - 1n)
  if (p === q || n >> 2047n !== 1n || all % E === 0n) return undefined
  const d = inverse(E, all)
  const numbers = { n, e: E, d, p, q, dp: d % (p - 1n), dq: d % (q - 1n), qi: inverse(q, p) }
  const jwk = { kty: 'RSA', ...Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, base64url(value)])) }
  const privateKey = createPrivateKey({ key: jwk, format: 'jwk' })
  return { privateKey, publicKey: createPublicKey(privateKey) }
}

/** The modular inverse of `value`. */
function inverse (value: bigint, modulus: bigint): bigint {
  let [last, rest, from, to] = [modulus, value % modulus, 0n, 1n]
  while (rest > 1n) {
    const quotient = last / rest
    ;[last, rest] = [rest, last - quotient * rest]
    ;[from, to] = [to, from - quotient * to]
  }
  return (to + modulus) % modulus
}

function base64url (value: bigint): string {
  const hex = value.toString(16)
  return Buffer.from(hex.length % 2 ? `0${hex}` : hex, 'hex').toString('base64url')
}
