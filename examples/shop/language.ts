/** The buyer's language: the last `?lang=`, kept in a cookie; otherwise the browser's. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Language } from './words.ts'

const NAME = 'shop_language'
/** Seconds. */
const YEAR = 365 * 86_400

const isLanguage = (value: unknown): value is Language => value === 'zh' || value === 'en'

const chosen = (request: FastifyRequest) => (request.query as { lang?: unknown } | undefined)?.lang

/** Needs @fastify/cookie, which session.ts registers. */
export function rememberLanguage (app: FastifyInstance): void {
  app.addHook('onRequest', async (request, reply) => {
    const language = chosen(request)
    if (isLanguage(language)) reply.setCookie(NAME, language, { path: '/', maxAge: YEAR, httpOnly: true, sameSite: 'lax' })
  })
}

export function languageOf (request: FastifyRequest): Language {
  const language = [chosen(request), request.cookies?.[NAME]].find(isLanguage)
  return language ?? (/^en/i.test(request.headers['accept-language'] ?? '') ? 'en' : 'zh')
}
