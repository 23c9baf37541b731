/** Answers for unknown paths and failures, in the format of the WeChat host that was called. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { refuse, sendV2, withRid } from './wire.ts'
import type { State } from '../state/state.ts'
import type { Handler } from './routes.ts'

/** `isAlone`: the server has no other routes, so the emulator answers unknown paths; then what answers them. */
export function answerUnknownPaths (app: FastifyInstance, state: State, isAlone: boolean): Handler | undefined {
  const missing = async (request: FastifyRequest, reply: FastifyReply) => {
    const [path = ''] = request.url.slice(app.prefix.length).split('?')
    return answer(path, request, reply, { status: 404, code: 'NOT_FOUND', text: `the emulator has no ${request.method} ${path}`, errcode: 40066, errmsg: 'invalid url' })
  }
  if (isAlone) app.setNotFoundHandler(missing)
  app.setErrorHandler<Error & { statusCode?: number }>((error, request, reply) => {
    const [path = ''] = request.url.slice(app.prefix.length).split('?')
    const status = error.statusCode ?? 500
    if (status === 500) request.log.error({ err: error }, 'the emulator failed')
    return answer(path, request, reply, { status, code: status === 500 ? 'SYSTEM_ERROR' : 'PARAM_ERROR', text: error.message, errcode: -1, errmsg: 'system error' })
  })
  return isAlone ? missing : undefined

  function answer (path: string, request: FastifyRequest, reply: FastifyReply, { status, code, text, errcode, errmsg }: { status: number, code: string, text: string, errcode: number, errmsg: string }) {
    if (isOfficialAccount(path, request.hostname)) return reply.code(200).type('application/json; charset=utf-8').send(JSON.stringify(withRid(refuse(errcode, errmsg), state, path.startsWith('/sns/') ? ',' : '')))
    if (request.method === 'POST' && !path.startsWith('/v3/') && !path.startsWith('/_emulator')) return sendV2(reply.code(200), { return_code: 'FAIL', return_msg: text })
    return reply.code(status).type('application/json; charset=utf-8').send(JSON.stringify({ code, message: text }))
  }
}

/** api.weixin.qq.com, recognized by host name or path prefix. */
const isOfficialAccount = (path: string, host: string) => host === 'api.weixin.qq.com' || /^\/(?:cgi-bin|sns|wxa|wxaapi|datacube|customservice|card|merchant|shakearound|semantic|bizwifi|cv)\//.test(path)
