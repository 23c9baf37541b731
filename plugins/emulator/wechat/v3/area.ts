/** What each area of v3's calls works with. */
import { constants, createHash, privateDecrypt } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import type { V3Keys } from '../../keys/v3-keys.ts'
import type { Timers } from '../../state/timers.ts'
import type { State } from '../../state/state.ts'
import type { V2Orders } from '../v2/orders.ts'
import type { V2Refunds } from '../v2/refunds.ts'
import type { V3Register } from './check-request.ts'
import { text } from './shape.ts'
import { refuse } from './wire.ts'
import type { V3Error } from './wire.ts'

/** A notification to the merchant. Not sent if `url` is ''. */
export interface V3Event { url: string, type: string, originalType: string, summary: string, content: object, out_trade_no?: string }

export interface V3Area {
  route: V3Register
  state: State
  orders: V2Orders
  refunds: V2Refunds
  after: Timers['after']
  sendEvent (event: V3Event): void
  /** Decrypts a sensitive field; undefined if it was not encrypted with one of WeChat's keys. */
  decrypt (value: unknown): string | undefined
  /** Stores a file for download; returns its token. */
  storeFile (content: string | Buffer): string
  readFile (token: string | undefined): Buffer | undefined
}

export function sensitiveReader (state: State, keys: V3Keys): V3Area['decrypt'] {
  return value => {
    const candidates: KeyObject[] = [keys.wechat.key, ...state.keyMode === 'public-key' ? [] : keys.platform().map(({ key }) => key)]
    for (const key of candidates) {
      try {
        return privateDecrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' }, Buffer.from(text(value), 'base64')).toString()
      } catch { /* not for this one */ }
    }
  }
}

/** How many files are kept; the oldest are dropped first. */
const FILES = 200

export function createFiles (state: State): Pick<V3Area, 'storeFile' | 'readFile'> {
  const files = new Map<string, Buffer>()
  return {
    storeFile (content) {
      const token = state.random.hex(24)
      files.set(token, Buffer.from(content))
      if (files.size > FILES) files.delete(files.keys().next().value as string)
      return token
    },
    readFile: token => files.get(token ?? '')
  }
}

export const hashOf = (algorithm: 'sha1' | 'sha256' | 'sm3', content: string | Buffer) => createHash(algorithm).update(content).digest('hex')
/** Whether this merchant is a sub-merchant of the account. */
export const isOurs = (state: State, subMchId: unknown) => state.subMerchants.some(sub => sub.subMchId === subMchId)

export const notEncrypted = (): V3Error => refuse(400, 'PARAM_ERROR', '请确认待处理的消息是否为加密后的密文', 268435461)
export const notFound = (message = '记录不存在'): V3Error => refuse(404, 'NOT_FOUND', message, 268435461)
export const parametersDiffer = (code = 'INVALID_REQUEST'): V3Error => refuse(400, code, '请求重入时，参数与首次请求时不一致', 268498688)
