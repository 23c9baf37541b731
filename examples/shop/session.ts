/** Login sessions: the openid in a signed HttpOnly cookie. */
import cookie from '@fastify/cookie'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

export interface Visitor { openid: string, nickname: string }

const NAME = 'shop_session'

export async function sessions (app: FastifyInstance, secret: string) {
  await app.register(cookie, { secret })
  return {
    begin (reply: FastifyReply, visitor: Visitor) {
      reply.setCookie(NAME, JSON.stringify(visitor), { signed: true, path: '/', httpOnly: true, sameSite: 'lax', secure: process.env.NODE_ENV === 'production' })
    },
    visitor (request: FastifyRequest): Visitor | undefined {
      const { valid, value } = request.unsignCookie(request.cookies[NAME] ?? '')
      return valid && value ? JSON.parse(value) as Visitor : undefined
    }
  }
}
