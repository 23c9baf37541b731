/** WeChat's pushes to a third-party platform: tickets, authorizations and withdrawals. WeChat's documentation "Pushed events" (授权变更通知推送). */
import { createHash } from 'node:crypto'
import { WechatNotificationError } from '../errors.ts'
import { readXml } from '../pay/v2/xml.ts'
import type { Fields } from '../pay/v2/xml.ts'
import type { MsgCrypt } from './msg-crypt.ts'

interface PushBase {
  /** Seconds since 1970, by WeChat's clock. */
  createdAt: number
}

export type Push = PushBase & (
  | { kind: 'ticket', ticket: string }
  /** The owner of this account has allowed this platform, or changed what it may do. */
  | { kind: 'authorized' | 'updateauthorized', appId: string, code: string }
  | { kind: 'unauthorized', appId: string }
  /** Genuine, and none of the above. */
  | { kind: 'other', infoType: string }
)

export interface ReadPush {
  push: Push
  /** The decrypted document: identical in repeated pushes. */
  document: Buffer
}

/** Maximum difference between WeChat's clock and ours, in seconds; older pushes are replays. */
const WINDOW = 300

/** Visible ASCII: tickets and codes contain @, - and _. */
const VALUE = /^[\x21-\x7e]{1,512}$/
const APP_ID = /^[0-9A-Za-z_-]{1,64}$/

/**
 * Verifies and parses a push.
 * @param query the request's query
 * @param body the bytes as received
 * @throws WechatNotificationError 400 (its form), 401 (its signature, age, key or receiver)
 */
export function readPush (crypt: MsgCrypt, componentAppId: string, query: Readonly<Record<string, unknown>>, body: Uint8Array): ReadPush {
  const { timestamp, nonce, msg_signature: signature, encrypt_type: encryption = 'aes' } = query
  if (!isText(timestamp, /^\d{1,12}$/) || !isText(nonce, /^[\x21-\x7e]{1,128}$/) || !isText(signature, /^[0-9a-f]{40}$/) || encryption !== 'aes') {
    throw new WechatNotificationError('its URL lacks the parameters of an encrypted push')
  }
  if (Math.abs(Number(timestamp) - Date.now() / 1000) > WINDOW) throw new WechatNotificationError('its timestamp is too old or in the future: is this server\'s clock right?', 401)
  const envelope = fieldsOf(body)
  const { AppId: appId, Encrypt: encrypted } = envelope
  if (appId === undefined || encrypted === undefined || Object.keys(envelope).length !== 2) throw new WechatNotificationError('its document must contain exactly AppId and Encrypt')
  if (appId !== componentAppId) throw new WechatNotificationError('it is for another platform', 401)
  const document = crypt.open({ timestamp, nonce, encrypted, signature })
  const fields = fieldsOf(document)
  if (fields.AppId !== componentAppId) throw new WechatNotificationError('it is about another platform', 401)
  return { push: pushOf(fields), document }
}

const isText = (value: unknown, pattern: RegExp): value is string => typeof value === 'string' && pattern.test(value)

function fieldsOf (bytes: Uint8Array): Fields {
  try {
    return readXml(bytes)
  } catch (error) {
    throw new WechatNotificationError(`its document ${(error as Error).message}`)
  }
}

function pushOf (fields: Fields): Push {
  const required = (name: string, pattern: RegExp): string => {
    const value = fields[name]
    if (!isText(value, pattern)) throw new WechatNotificationError(`its ${name} is missing or malformed`)
    return value
  }
  const createdAt = Number(required('CreateTime', /^\d{1,12}$/))
  const infoType = required('InfoType', /^[a-z_0-9]{1,64}$/)
  switch (infoType) {
    case 'component_verify_ticket': return { kind: 'ticket', createdAt, ticket: required('ComponentVerifyTicket', VALUE) }
    case 'authorized':
    case 'updateauthorized': return { kind: infoType, createdAt, appId: required('AuthorizerAppid', APP_ID), code: required('AuthorizationCode', VALUE) }
    case 'unauthorized': return { kind: infoType, createdAt, appId: required('AuthorizerAppid', APP_ID) }
    default: return { kind: 'other', createdAt, infoType }
  }
}

/** A digest that identifies a push without revealing its content. */
export const digestOf = (pushed: Uint8Array | string): string => createHash('sha256').update(pushed).digest('base64url')

/** auth_code, as in the redirect's query. */
export const isAuthCode = (code: unknown): code is string => isText(code, VALUE)
