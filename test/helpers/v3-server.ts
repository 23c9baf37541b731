/** A fake APIv3 server: keys, matching merchant options, and signed answers. */
import { sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { createV3Keys } from '../../plugins/emulator/keys/v3-keys.ts'
import type { PayOptions } from '../../src/pay/pay.ts'
import { ACCOUNT } from './account.ts'
import type { Answer } from './fake-server.ts'

export const keys = createV3Keys(ACCOUNT.merchant.mchId)
export const pem = (key: KeyObject) => key.export({ type: key.type === 'private' ? 'pkcs8' : 'spki', format: 'pem' }) as string
export const v3 = { serialNo: keys.merchant.serial, privateKey: pem(keys.merchant.key), apiV3Key: 'a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6', publicKeyId: keys.wechat.id, publicKey: pem(keys.wechat.publicKey) }
export const v3Options: PayOptions = { ...ACCOUNT, merchant: { mchId: ACCOUNT.merchant.mchId, notifyUrl: 'https://shop.test/notify', v3 } }

export interface Signing { key?: KeyObject, serial?: string, at?: number, change?: (headers: Record<string, string>) => void }

/** Answers with this (a string is sent as is), signed by default. */
export function answering (status: number, value: unknown, { key = keys.wechat.key, serial = keys.wechat.id, at = Date.now(), change }: Signing = {}): Answer {
  return (_seen, reply) => {
    const body = value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value)
    const [timestamp, nonce] = [String(Math.floor(at / 1000)), 'n1']
    const headers: Record<string, string> = {
      'content-type': 'application/json; charset=utf-8',
      'request-id': '0891D2AF0128EA9805-270924337',
      'wechatpay-timestamp': timestamp,
      'wechatpay-nonce': nonce,
      'wechatpay-serial': serial,
      'wechatpay-signature-type': 'WECHATPAY2-SHA256-RSA2048',
      'wechatpay-signature': sign('sha256', Buffer.from(`${timestamp}\n${nonce}\n${body}\n`), key).toString('base64')
    }
    change?.(headers)
    for (const [name, value] of Object.entries(headers)) if (value === '') delete headers[name]
    reply.writeHead(status, headers).end(body)
  }
}
