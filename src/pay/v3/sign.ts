/** The signature of v3 replies and notifications: WeChat Pay APIv3 documentation, "Verifying signatures". */
import { verify } from 'node:crypto'
import type { KeyLike } from 'node:crypto'

export interface SignedMessage {
  timestamp: string
  nonce: string
  /** The bytes as received. */
  body: Uint8Array
  /** base64 */
  signature: string
}

/** Whether the message is signed by this key or certificate. Does not look at the clock. */
export function verifyV3 ({ timestamp, nonce, body, signature }: SignedMessage, key: KeyLike): boolean {
  const message = Buffer.concat([Buffer.from(`${timestamp}\n${nonce}\n`), body, Buffer.from('\n')])
  return verify('sha256', message, key, Buffer.from(signature, 'base64'))
}
