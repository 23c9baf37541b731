/** Verifies a reply or a notification: signature, key and clock, over the raw bytes. */
import type { KeyObject } from 'node:crypto'
import { verifyV3Later } from './sign.ts'

/** Seconds that a message's timestamp may differ from now, in either direction. */
const WINDOW = 300
/** WeChat occasionally sends such invalid signatures, to test whether they are verified. */
const PROBE = 'WECHATPAY/SIGNTEST/'
const ALGORITHM = 'WECHATPAY2-SHA256-RSA2048'

export type Headers = Readonly<Record<string, string | string[] | undefined>>

export type Verdict =
  | 'genuine'
  /** It has no signature at all. */
  | 'unsigned'
  /** A deliberately invalid signature from WeChat. */
  | 'probe'
  | 'stale'
  | 'unknown key'
  | 'false'

/** `keyFor`: the key of a serial number, if it is known or can be fetched. */
export async function judge (headers: Headers, body: Uint8Array, keyFor: (serial: string) => Promise<KeyObject | undefined>): Promise<Verdict> {
  const [signature, timestamp, nonce, serial, type = ALGORITHM] = ['signature', 'timestamp', 'nonce', 'serial', 'signature-type'].map(name => headers[`wechatpay-${name}`])
  if (signature === undefined) return 'unsigned'
  // A duplicate header could be read differently by different parsers.
  if (![signature, timestamp, nonce, serial, type].every(value => typeof value === 'string')) return 'false'
  const said = { signature, timestamp, nonce, serial, type } as Record<'signature' | 'timestamp' | 'nonce' | 'serial' | 'type', string>
  if (said.signature.startsWith(PROBE)) return 'probe'
  if (said.type !== ALGORITHM || !/^[\x21-\x7e]{1,64}$/.test(said.nonce) || !/^[0-9A-Za-z_]{1,80}$/.test(said.serial)) return 'false'
  if (!/^\d{10}$/.test(said.timestamp) || Math.abs(Date.now() / 1000 - Number(said.timestamp)) > WINDOW) return 'stale'
  // Exactly 2048 bits in base64: no key look-up for anything longer or shorter.
  if (!/^[0-9A-Za-z+/]{342}==$/.test(said.signature)) return 'false'
  const key = await keyFor(said.serial)
  if (!key) return 'unknown key'
  return await verifyV3Later({ ...said, body }, key) ? 'genuine' : 'false'
}
