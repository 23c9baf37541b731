/** The journal of calls: requests, answers, and reasons of refusals. Only the last ones are kept, in memory. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Explanation } from '../explain/explanation.ts'
import { jsonObject } from '../wechat/wire.ts'
import type { State } from '../state/state.ts'

export interface Call {
  id: string
  /** ISO 8601. */
  at: string
  method: string
  /** With its query; an AppSecret in it is removed. */
  url: string
  /** HTTP status. */
  status: number
  /** `broken`: a fault that you configured. */
  verdict: 'accepted' | 'refused' | 'broken'
  /** WeChat's code and message of a refusal. */
  reason: string
  out_trade_no: string
  request: string
  reply: string
  /** For a refused signature. */
  explanation?: Explanation
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Why this call's signature was refused; computed on demand. */
    wechatExplanation?: (() => Explanation) | undefined
  }
}

/** How many calls are kept. */
const KEPT = 500
/** Maximum characters kept of a body. */
const LONGEST = 8000

/** The control interface, which is not a WeChat call. */
export const isOwn = (url: string): boolean => /^(?:\/[\w-]+)?\/_emulator\b/.test(url)

/** Requests of the emulated WeChat browser for a page. */
const isBridge = (url: string) => /\/_emulator\/bridge\//.test(url)

const isCall = (url: string) => !isOwn(url) || isBridge(url)

export function journal (app: FastifyInstance, state: State) {
  const calls: Array<Omit<Call, 'explanation'> & { explain?: (() => Explanation) | undefined }> = []
  const replies = new WeakMap<FastifyRequest, string>()
  let count = 0

  app.addHook('onSend', async (request, _reply, payload) => {
    if (typeof payload === 'string' && isCall(request.url)) replies.set(request, payload)
    return payload
  })

  app.addHook('onResponse', async (request, reply) => {
    if (isCall(request.url)) record(request, reply.statusCode)
    // A control request may have changed the state, too.
    if (isCall(request.url) || request.method !== 'GET') state.events.emit('change')
  })

  function record (request: FastifyRequest, status: number): void {
    const reply = replies.get(request) ?? ''
    const body = Buffer.isBuffer(request.body) ? request.body.toString() : ''
    const reason = errorIn(reply, status)
    const isBroken = request.wechatFault !== undefined
    calls.push({
      id: `c${++count}`,
      at: new Date(state.now()).toISOString(),
      method: request.method,
      url: request.originalUrl.replace(/([?&]secret=)[^&]*/, '$1…'),
      status,
      verdict: isBroken ? 'broken' : reason === '' ? 'accepted' : 'refused',
      reason: isBroken ? `${request.wechatFault?.kind}` : reason,
      out_trade_no: numberIn(request, body),
      request: body.replace(/("(?:component_(?:app)?)?secret"\s*:\s*")[^"]*/, '$1…').slice(0, LONGEST),
      reply: reply.slice(0, LONGEST),
      explain: request.wechatExplanation && lazily(request.wechatExplanation)
    })
    if (calls.length > KEPT) calls.shift()
  }

  const whole = ({ explain, ...call }: typeof calls[number]): Call => ({ ...call, ...(explain && { explanation: explain() }) })

  return {
    /** Newest first, without bodies; all, or those after an id. */
    list: (after = '') => calls.filter(({ id }) => orderOf(id) > orderOf(after)).map(call => ({ ...whole(call), request: '', reply: '' })).reverse(),
    count: () => calls.length,
    find (id: string): Call | undefined {
      const call = id === 'latest' ? calls.findLast(({ explain }) => explain?.().signature) : calls.find(call => call.id === id)
      return call && whole(call)
    }
  }
}

/** The order number in a call, found without knowing the call. */
function numberIn (request: FastifyRequest, body: string): string {
  return /\/out-trade-no\/([^/?]+)/.exec(request.originalUrl)?.[1] ?? /<out_trade_no>(?:<!\[CDATA\[)?([^<\]]+)|"out_trade_no"\s*:\s*"([^"]+)"/.exec(body)?.slice(1).find(Boolean) ?? ''
}

/** WeChat's code and message, in any of its four error formats; '' if it is no refusal. */
function errorIn (reply: string, status: number): string {
  const element = (name: string) => new RegExp(`<${name}>(?:<!\\[CDATA\\[)?([^<\\]]*)`).exec(reply)?.[1] ?? ''
  if (reply.startsWith('<xml>')) {
    if (element('return_code') !== 'SUCCESS') return element('return_msg') || element('retmsg')
    return element('result_code') === 'FAIL' ? `${element('err_code')} ${element('err_code_des')}` : ''
  }
  const parsed = jsonObject(reply)
  if (parsed?.errcode) return `${parsed.errcode} ${parsed.errmsg}`
  if (/:(?!ok)/.test(String(parsed?.err_msg ?? ''))) return `${parsed?.err_msg} ${parsed?.err_desc ?? ''}`.trim()
  if (status >= 400) return parsed?.code ? `${parsed.code} ${parsed.message}` : `HTTP ${status}`
  // The login page answers errors as a page.
  const [, code] = /data-wechat-code="(-?\d+)"/.exec(reply) ?? []
  return code === undefined ? '' : `${code} ${/translate="no">([^<]*)</.exec(reply)?.[1]}`
}

/** 17 for `c17` or `n17`. */
export const orderOf = (id: string): number => Number(id.slice(1)) || 0

/** Computed once on first use: the dashboard requests it at each change. */
function lazily<T> (work: () => T): () => T {
  let made: T | undefined
  return () => {
    made ??= work()
    return made
  }
}

export type Journal = ReturnType<typeof journal>
