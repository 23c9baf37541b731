/** Signatures of APIv3: WeChat Pay APIv3 documentation, "Signing requests" and "Verifying signatures". RSA runs on the thread pool, so that many at once hold nobody up. */
import { sign as signWith, verify } from 'node:crypto'
import type { KeyLike, KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { nonce as newNonce } from '../../nonce.ts'

const signLater: (algorithm: 'sha256', data: Buffer, key: KeyObject) => Promise<Buffer> = promisify(signWith)

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

/** RSA-SHA256 of a text, base64. */
export async function signV3 (text: string, key: KeyObject): Promise<string> {
  return (await signLater('sha256', Buffer.from(text), key)).toString('base64')
}

export interface Signer {
  mchId: string
  serialNo: string
  privateKey: KeyObject
}

/** The Authorization header of one request. `path`: with its query; `body`: what is signed of it, '' if there is none. */
export async function authorization (method: string, path: string, body: string, { mchId, serialNo, privateKey }: Signer): Promise<string> {
  const timestamp = String(Math.floor(Date.now() / 1000))
  const nonce = newNonce()
  const signature = await signV3(`${method}\n${path}\n${timestamp}\n${nonce}\n${body}\n`, privateKey)
  return `WECHATPAY2-SHA256-RSA2048 mchid="${mchId}",nonce_str="${nonce}",signature="${signature}",timestamp="${timestamp}",serial_no="${serialNo}"`
}
