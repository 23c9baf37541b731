import { WechatReplyError } from '../../errors.ts'
import type { Json } from './client.ts'

/** Joins the first part, unchanged, with the others as encoded path segments. */
export const path = (base: string, ...segments: string[]) => [base, ...segments.map(encodeURIComponent)].join('/')

/** @throws WechatReplyError if the answer has no such string */
export function textIn (answer: Json, name: string, call: string): string {
  const value = answer[name]
  if (typeof value !== 'string' || value === '') throw new WechatReplyError(call, `the answer has no ${name}`)
  return value
}
