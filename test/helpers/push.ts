/** Encrypted Open Platform pushes, written from WeChat's documentation, independent of the code that reads them. */
import { createCipheriv, createHash, randomBytes } from 'node:crypto'

export const PLATFORM = {
  componentAppId: 'wx00c0ffee00c0ffee',
  componentAppSecret: 'c0ffee11c0ffee11c0ffee11c0ffee11',
  token: 'PushToken4Tests',
  encodingAesKey: 'Ab0Cd1Ef2Gh3Ij4Kl5Mn6Op7Qr8St9Uv0Wx1Yz2Ab3C'
}

export interface Sealing {
  token?: string
  encodingAesKey?: string
  receiver?: string
  random?: Buffer
  /** Overrides the length field. */
  length?: number
  /** Overrides the PKCS#7 padding. */
  padding?: (short: number) => Buffer
  timestamp?: number
  nonce?: string
  /** The appId in the envelope. */
  appId?: string
}

export function encrypt (text: string | Buffer, { encodingAesKey = PLATFORM.encodingAesKey, receiver = PLATFORM.componentAppId, random = randomBytes(16), length, padding }: Sealing = {}): string {
  const key = Buffer.from(`${encodingAesKey}=`, 'base64')
  const body = Buffer.from(text as string)
  const size = Buffer.alloc(4)
  size.writeUInt32BE(length ?? body.length)
  const message = Buffer.concat([random, size, body, Buffer.from(receiver)])
  const short = 32 - message.length % 32
  const cipher = createCipheriv('aes-256-cbc', key, key.subarray(0, 16)).setAutoPadding(false)
  return Buffer.concat([cipher.update(Buffer.concat([message, padding?.(short) ?? Buffer.alloc(short, short)])), cipher.final()]).toString('base64')
}

export const signatureOf = (...parts: string[]) => createHash('sha1').update(parts.sort().join('')).digest('hex')

/** A correct envelope around any document, except for the changes in `sealing`. */
export function seal (document: string | Buffer, sealing: Sealing = {}) {
  return around(encrypt(document, sealing), sealing)
}

/** The same around any ciphertext. */
export function around (encrypted: string, { token = PLATFORM.token, timestamp = Math.floor(Date.now() / 1000), nonce = randomBytes(5).toString('hex'), appId = PLATFORM.componentAppId }: Sealing = {}) {
  const query = { signature: signatureOf(token, String(timestamp), nonce), timestamp: String(timestamp), nonce, encrypt_type: 'aes', msg_signature: signatureOf(token, String(timestamp), nonce, encrypted) }
  const payload = `<xml><AppId><![CDATA[${appId}]]></AppId><Encrypt><![CDATA[${encrypted}]]></Encrypt></xml>`
  return { method: 'POST' as const, url: '/wechat/open-platform/events', query: query as Record<string, string>, payload, headers: { 'content-type': 'text/xml' } }
}

let serial = 0
const base = (infoType: string, more: Record<string, string>, at = Math.floor(Date.now() / 1000)) => {
  const fields = { AppId: PLATFORM.componentAppId, CreateTime: String(at), InfoType: infoType, ...more }
  return `<xml>${Object.entries(fields).map(([name, value]) => `<${name}><![CDATA[${value}]]></${name}>`).join('\n')}</xml>`
}

export const ticketDocument = (ticket = `ticket@@@t${++serial}`, at?: number) => base('component_verify_ticket', { ComponentVerifyTicket: ticket }, at)
export const authorizedDocument = (appId: string, code: string, infoType = 'authorized', at?: number) =>
  base(infoType, { AuthorizerAppid: appId, AuthorizationCode: code, AuthorizationCodeExpiredTime: '3600', PreAuthCode: 'preauthcode@@@p' }, at)
export const unauthorizedDocument = (appId: string, at?: number) => base('unauthorized', { AuthorizerAppid: appId }, at)
