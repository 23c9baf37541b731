import { WechatReplyError } from '../../errors.ts'
import type { Json } from './client.ts'

/** The first part as it is, the others as segments of a path. */
export const path = (base: string, ...segments: string[]) => [base, ...segments.map(encodeURIComponent)].join('/')

/** @throws WechatReplyError if the answer has no such text */
export function textIn (answer: Json, name: string, call: string): string {
  const value = answer[name]
  if (typeof value !== 'string' || value === '') throw new WechatReplyError(call, `the answer has no ${name}`)
  return value
}
