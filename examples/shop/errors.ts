/** What a buyer is told of an error: a sentence in their language, and nothing of what is inside. The log has the rest. */
import type { FastifyError, FastifyInstance, FastifyRequest } from 'fastify'
import { WechatError, WechatNetworkError, WechatReplyError } from '../../plugins/wechat-pay.ts'
import { languageOf } from './language.ts'
import { problemPage } from './pages.ts'
import type { Problem } from './pages.ts'
import { WORDS } from './words.ts'
import type { Words } from './words.ts'

/** An error of the shop's own, by the word that the buyer reads. */
export class ShopError extends Error {
  readonly statusCode: number
  readonly word: keyof Words
  constructor (statusCode: number, word: keyof Words) {
    super(WORDS.en[word])
    this.statusCode = statusCode
    this.word = word
  }
}

/** WeChat's codes that say something to the buyer, and not to us. */
const BUYERS: Record<string, keyof Words> = { ORDERPAID: 'alreadyPaid', ORDER_PAID: 'alreadyPaid', ORDERCLOSED: 'closed', ORDER_CLOSED: 'closed' }

/** WeChat's own advice (`adviceZh`) is for the merchant, and goes to the log. */
export function wordFor (error: unknown): keyof Words {
  if (error instanceof ShopError) return error.word
  if (!(error instanceof WechatError)) return 'ours'
  const known = BUYERS[error.wechatCode ?? '']
  if (known) return known
  if ((error instanceof WechatNetworkError || error instanceof WechatReplyError) && error.outcome === 'unknown') return 'unknown'
  return error.retryable ? 'busy' : 'ours'
}

const PAGES: Record<string, Problem> = { WECHAT_LOGIN_STATE: 'staleLogin', WECHAT_LOGIN_CODE: 'staleLogin', WECHAT_LOGIN_SNAPSHOT: 'snapshot' }

/** Somebody looks at it, and no script asks. */
const wantsPage = ({ method, headers }: FastifyRequest) => method === 'GET' && (headers.accept ?? '').includes('text/html')

export function answerErrors (app: FastifyInstance): void {
  app.setErrorHandler<FastifyError>((error, request, reply) => {
    const status = error.statusCode ?? 500
    const { adviceZh } = error as { adviceZh?: string }
    if (status >= 500) request.log.error({ err: error, adviceZh }, 'the buyer is told that something went wrong')
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
