/** Error messages for buyers: a sentence in their language, without internals. Details are logged. */
import type { FastifyError, FastifyInstance, FastifyRequest } from 'fastify'
import { WechatError, WechatNetworkError, WechatReplyError } from '../../plugins/wechat-pay.ts'
import { languageOf } from './language.ts'
import { problemPage } from './pages.ts'
import type { Problem } from './pages.ts'
import { WORDS } from './words.ts'
import type { Words } from './words.ts'

/** A shop error with the key of its message in words.ts. */
export class ShopError extends Error {
  readonly statusCode: number
  readonly word: keyof Words
  constructor (statusCode: number, word: keyof Words) {
    super(WORDS.en[word])
    this.statusCode = statusCode
    this.word = word
  }
}

/** WeChat's codes that concern the buyer. */
const BUYERS: Record<string, keyof Words> = { ORDERPAID: 'alreadyPaid', ORDER_PAID: 'alreadyPaid', ORDERCLOSED: 'closed', ORDER_CLOSED: 'closed' }

/** The error's advice (`adviceZh`) is for the merchant, so it is only logged. */
export function wordFor (error: unknown): keyof Words {
  if (error instanceof ShopError) return error.word
  if (!(error instanceof WechatError)) return 'ours'
  const known = BUYERS[error.wechatCode ?? '']
  if (known) return known
  if ((error instanceof WechatNetworkError || error instanceof WechatReplyError) && error.outcome === 'unknown') return 'unknown'
  return error.retryable ? 'busy' : 'ours'
}

const PAGES: Record<string, Problem> = { WECHAT_LOGIN_STATE: 'staleLogin', WECHAT_LOGIN_CODE: 'staleLogin', WECHAT_LOGIN_SNAPSHOT: 'snapshot' }

/** The request is a page navigation, not a script's. */
const wantsPage = ({ method, headers }: FastifyRequest) => method === 'GET' && (headers.accept ?? '').includes('text/html')

export function answerErrors (app: FastifyInstance): void {
  app.setErrorHandler<FastifyError>((error, request, reply) => {
    const status = error.statusCode ?? 500
    const { adviceZh } = error as { adviceZh?: string }
    if (status >= 500) request.log.error({ err: error, adviceZh }, 'request failed: the buyer sees a general error message')
    else request.log.info({ err: error }, 'refused')
    const language = languageOf(request)
    const word = wordFor(error)
    reply.code(status)
    if (!wantsPage(request)) return reply.send({ statusCode: status, message: WORDS[language][word] })
    const problem = PAGES[error.code] ?? (word === 'noOrder' ? word : 'failed')
    return reply.type('text/html; charset=utf-8').send(problemPage(language, problem, problem === 'failed' ? WORDS[language][word] : undefined))
  })

  app.setNotFoundHandler((request, reply) => {
    const language = languageOf(request)
    reply.code(404)
    if (wantsPage(request)) return reply.type('text/html; charset=utf-8').send(problemPage(language, 'notFound'))
    return reply.send({ statusCode: 404, message: WORDS[language].notFound })
  })
}
