/** Control routes for messages sent to users, and users who refuse them. */
import type { State } from '../state/state.ts'
import type { Message } from '../wechat/official-account-calls.ts'
import { listOf, object, schema, text } from './schemas.ts'
import type { Routes } from '../wechat/routes.ts'

export function messageRoutes (app: Routes, state: State): void {
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
}
