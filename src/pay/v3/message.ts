/** Verifies a reply or a notification: signature, key and clock, over the raw bytes. */
import type { KeyObject } from 'node:crypto'
import { fairTurn } from '../../fair-turn.ts'
import { verifyV3 } from './sign.ts'

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
export async function verifyMessage (headers: Headers, body: Uint8Array, keyFor: (serial: string) => Promise<KeyObject | undefined>): Promise<Verdict> {
  const { 'wechatpay-signature': signature, 'wechatpay-timestamp': timestamp, 'wechatpay-nonce': nonce, 'wechatpay-serial': serial, 'wechatpay-signature-type': type = ALGORITHM } = headers
  if (signature === undefined) return 'unsigned'
  const turn = fairTurn()
  if (turn) await turn
  // A duplicate header could be read differently by different parsers.
  if (typeof signature !== 'string' || typeof timestamp !== 'string' || typeof nonce !== 'string' || typeof serial !== 'string' || typeof type !== 'string') return 'false'
  if (signature.startsWith(PROBE)) return 'probe'
  if (type !== ALGORITHM || !/^[\x21-\x7e]{1,64}$/.test(nonce) || !/^[0-9A-Za-z_]{1,80}$/.test(serial)) return 'false'
  if (!/^\d{10}$/.test(timestamp) || Math.abs(Date.now() / 1000 - Number(timestamp)) > WINDOW) return 'stale'
  // Exactly 2048 bits in base64: no key look-up for anything longer or shorter.
  if (!/^[0-9A-Za-z+/]{342}==$/.test(signature)) return 'false'
  const key = await keyFor(serial)
  if (!key) return 'unknown key'
  // Not on the thread pool: handing it over takes as long as verifying, and signatures would be in its way there.
  return verifyV3({ timestamp, nonce, signature, body }, key) ? 'genuine' : 'false'
}
