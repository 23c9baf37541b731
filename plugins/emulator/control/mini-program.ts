/** What a mini program's page gets from its visitor: codes for its server. */
import type { MiniProgram } from '../wechat/mini-program/mini-program.ts'
import { object, optional, schema, text } from './schemas.ts'
import type { Routes } from '../wechat/routes.ts'

export interface MiniProgramParts { mini: MiniProgram }

export function miniProgramRoutes (app: Routes, { mini }: MiniProgramParts): void {
  app.post<{ Body: { openid?: string, blocked?: boolean } | null }>('/login-codes', {
    schema: schema({ tag: 'account', summary: 'A visitor opens the mini program: what wx.login hands to its page', body: optional(object({ openid: text('Who. Default: the first.'), blocked: { type: 'boolean', description: 'WeChat takes them for a risk, and refuses the login.' } })), answer: 'The code, good once and for five minutes.' })
  }, async ({ body }) => ({ code: mini.loginCode(body?.openid, body?.blocked) }))

  app.post<{ Body: { phone?: string } | null }>('/phone-codes', {
    schema: schema({ tag: 'account', summary: 'A visitor of the mini program hands over a telephone number', body: optional(object({ phone: text('Default 13800000000.') })), answer: 'The code, good once and for five minutes.' })
  }, async ({ body }) => ({ code: mini.phoneCode(body?.phone) }))
}
