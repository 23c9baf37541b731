/** APIv3 signs lines. With the public key, an RSA signature reveals whether its key made it, and the digest of the signed text. */
import { constants, createHash, publicDecrypt } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { Mutation } from './explanation.ts'
import type { MistakeId } from './mistakes.ts'

/** The DER prefix of a SHA-256 digest in PKCS#1 v1.5. */
const SHA256_INFO = '3031300d060960864801650304020105000420'

export interface OpenedSignature {
  /** Hex; undefined unless it is a SHA-256 digest that this key signed. */
  digest: string | undefined
  /** The explanation if the digest matches no known text. */
  otherwise: MistakeId
}

export function openSignature (signature: Buffer, key: KeyObject): OpenedSignature {
  let info: string
  try {
    info = publicDecrypt({ key, padding: constants.RSA_PKCS1_PADDING }, signature).toString('hex')
  } catch {
    return { digest: undefined, otherwise: 'wrong-key' }
  }
  if (!info.startsWith(SHA256_INFO)) return { digest: undefined, otherwise: 'other-hash' }
  return { digest: info.slice(SHA256_INFO.length), otherwise: 'other-text' }
}

/** A text of lines, each with its line ending. */
export interface Lines { lines: string[], end: string, eol: string }

export const rightLines = (lines: string[]): Lines => ({ lines, end: '\n', eol: '\n' })
export const joined = ({ lines, end, eol }: Lines): string => lines.join(eol) + end

export const lineEnds = <T extends Lines>(): Array<Mutation<T>> => [
  { id: 'no-last-newline', change: recipe => ({ ...recipe, end: '' }) },
  { id: 'crlf-lines', change: recipe => ({ ...recipe, eol: '\r\n', end: recipe.end && '\r\n' }) }
]

/** Replaces one of the lines. */
export function line<T extends Lines> (at: number, id: MistakeId, change: (before: string) => string | undefined): Mutation<T> {
  return {
    id,
    change (recipe) {
      const before = recipe.lines[at] as string
      const after = change(before)
      return after === undefined || after === before ? undefined : { ...recipe, lines: recipe.lines.with(at, after) }
    }
  }
}

export const sha256 = (text: string | Buffer) => createHash('sha256').update(text).digest('hex')
