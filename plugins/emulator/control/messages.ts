/** Control routes for messages to users, subscriptions, and codes of a mini program's visitors. */
import type { FastifyInstance } from 'fastify'
import type { State } from '../state/state.ts'
import type { MiniProgram } from '../wechat/mini-program.ts'
import type { Message } from '../wechat/official-account-calls.ts'
import { listOf, object, optional, schema, text } from './schemas.ts'

export interface MessageParts { mini: MiniProgram }

export function messageRoutes (app: FastifyInstance, state: State, { mini }: MessageParts): void {
  const messages = state.memory.list<Message>('messages')
  const refusing = state.memory.table<true>('refusesMessages')

  app.get('/messages', { schema: schema({ tag: 'account', summary: 'Messages sent to users: template, subscription, customer service', answer: listOf('Oldest first.') }) }, async () => messages)

  app.post<{ Body: { openid: string, accepts: boolean } }>('/messages/subscription', {
    schema: schema({ tag: 'account', summary: 'A user accepts or refuses subscription messages', body: object({ openid: text('Who.'), accepts: { type: 'boolean', description: 'Whether.' } }, ['openid', 'accepts']) })
  }, async ({ body }) => {
    if (body.accepts) refusing.delete(body.openid)
    else refusing.set(body.openid, true)
    return body
  })

  app.post<{ Body: { openid?: string } | null }>('/mini-program/login', {
    schema: schema({ tag: 'account', summary: 'A visitor of the mini program: what wx.login hands to its page', body: optional(object({ openid: text('Who. Default: the first.') })), answer: 'The js_code, good once and for five minutes.' })
  }, async ({ body }) => ({ js_code: mini.loginCode(body?.openid) }))

  app.post<{ Body: { phone?: string } | null }>('/mini-program/phone', {
    schema: schema({ tag: 'account', summary: 'A visitor hands over a telephone number', body: optional(object({ phone: text('Default 13800000000.') })), answer: 'The code, good once and for five minutes.' })
  }, async ({ body }) => ({ code: mini.phoneCode(body?.phone) }))
}
