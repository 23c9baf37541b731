/** The session key that WeChat shares with a mini program's server: 16 bytes, base64. It must never reach the page. */
import { createHmac } from 'node:crypto'
import { WechatInputError } from '../errors.ts'

const SESSION_KEY = /^[0-9A-Za-z+/]{22}==$/

export const isSessionKey = (value: unknown): value is string => typeof value === 'string' && SESSION_KEY.test(value)

/** @throws WechatInputError that does not contain the value */
export function requireSessionKey (value: unknown): string {
  if (!isSessionKey(value)) throw new WechatInputError('sessionKey', 'must be a session_key from WeChat: 16 bytes in base64')
  return value
}

/** Signs with the session key: HMAC-SHA256, lower-case hex. The HMAC key is the base64 text, not the decoded bytes: see the example in WeChat's documentation "User login signature". */
export const signWithSession = (sessionKey: string, text: string): string => createHmac('sha256', sessionKey).update(text).digest('hex')
