/** Control routes for the codes that a mini program's page gets: login and phone number. */
import type { MiniProgram } from '../wechat/mini-program/mini-program.ts'
import { object, optional, schema, text } from './schemas.ts'
import type { Routes } from '../wechat/routes.ts'

export interface MiniProgramParts { mini: MiniProgram }

export function miniProgramRoutes (app: Routes, { mini }: MiniProgramParts): void {
  app.post<{ Body: { openid?: string, blocked?: boolean } | null }>('/login-codes', {
    schema: schema({ tag: 'account', summary: 'A visitor opens the mini program: returns the code of wx.login', body: optional(object({ openid: text('The visitor\'s openid. Default: the first visitor.'), blocked: { type: 'boolean', description: 'The visitor is flagged as high risk: the login is refused (40226).' } })), answer: 'The code. It works once, for five minutes.' })
  }, async ({ body }) => ({ code: mini.loginCode(body?.openid, body?.blocked) }))

  app.post<{ Body: { phone?: string } | null }>('/phone-codes', {
    schema: schema({ tag: 'account', summary: 'A visitor presses the phone number button: returns its code', body: optional(object({ phone: text('Default 13800000000.') })), answer: 'The code. It works once, for five minutes.' })
  }, async ({ body }) => ({ code: mini.phoneCode(body?.phone) }))
}
