/** Faults on demand: each applies to the next calls of a path, before or after WeChat acts. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { RandomFaults } from './random-faults.ts'
import { isOwn } from '../control/journal.ts'

export interface Fault {
  /** Only calls whose path starts with this. Default: every call except the emulator's own. */
  path?: string
  /**
   * `hang`: no answer; `reset`: the connection is reset; `html`: a gateway's page with HTTP 200; `502`: the same with 502;
   * `garbage`: neither XML nor JSON; `slow`: answered after `ms`; or one of WeChat's own codes, such as SYSTEMERROR.
   */
  kind: 'hang' | 'reset' | 'html' | '502' | 'garbage' | 'slow' | (string & {})
  /** Before WeChat has acted, or after: then only the answer is lost. Default `before`. */
  when?: 'before' | 'after'
  /** How many calls it applies to. Default 1. */
  times?: number
  /** For `slow`: milliseconds. Default 1000. */
  ms?: number
}

declare module 'fastify' {
  interface FastifyRequest {
    /** The fault that applies to this call. */
    wechatFault?: (Fault & { /** One of WeChat's own. */ code: string | undefined }) | undefined
  }
}

const OURS = new Set(['hang', 'reset', 'html', '502', 'garbage', 'slow'])

/** The probability of each fault of calls, from 0 to 1. */
export type FaultOdds = Partial<Record<Fault['kind'], number>>

export function faults (app: FastifyInstance) {
  const waiting: Array<Fault & { times: number }> = []
  let random: { odds: FaultOdds, draws: RandomFaults } | undefined

  function drawRandom (url: string): Fault | undefined {
    if (!random || isOwn(url)) return undefined
    const kind = random.draws.draw(random.odds as Record<string, number>)
    return kind === undefined ? undefined : { kind, when: random.draws.below(2) === 0 ? 'before' : 'after', ms: random.draws.below(300) }
  }

  function take (url: string): Fault | undefined {
    const at = waiting.findIndex(fault => fault.path === undefined ? !isOwn(url) : url.startsWith(app.prefix + fault.path))
    const fault = waiting[at]
    if (fault && --fault.times <= 0) waiting.splice(at, 1)
    return fault ?? drawRandom(url)
  }

  app.addHook('preHandler', async (request, reply) => {
    const fault = take(request.url)
    if (!fault) return
    request.wechatFault = { ...fault, code: OURS.has(fault.kind) ? undefined : fault.kind }
    if (fault.kind === 'slow') await new Promise(resolve => setTimeout(resolve, fault.ms ?? 1000))
    else if (OURS.has(fault.kind) && fault.when !== 'after') return sendFault(fault.kind, request, reply)
  })

  app.addHook('onSend', async (request, reply, payload) => {
    const { kind = '', when } = request.wechatFault ?? {}
    if (when !== 'after' || kind === 'slow' || !OURS.has(kind)) return payload
    if (kind === 'hang') await new Promise(() => {})
    if (kind === 'reset') request.raw.socket.destroy()
    return kind === 'reset' ? payload : page(kind, reply)
  })

  function sendFault (kind: string, request: FastifyRequest, reply: FastifyReply) {
    if (kind !== 'hang' && kind !== 'reset') return reply.send(page(kind, reply))
    reply.hijack()
    if (kind === 'reset') request.raw.socket.destroy()
    return reply
  }

  function page (kind: string, reply: FastifyReply): string {
    if (kind === 'garbage') return '\u0000\u0001{{{<'
    reply.removeHeader('content-length')
    reply.type('text/html').code(kind === '502' ? 502 : 200)
    return '<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><center><h1>502 Bad Gateway</h1></center></body>\r\n</html>'
  }

  return {
    add: (fault: Fault) => { waiting.push({ times: 1, ...fault }) },
    waiting: () => waiting.map(fault => ({ ...fault })),
    setRandom (odds: FaultOdds, draws: RandomFaults): void { random = { odds, draws } },
    /** The probabilities of random faults; undefined if they are off. */
    odds: (): FaultOdds => random?.odds ?? {},
    /** `kind`: only those of that kind, and no random ones. */
    clear (kind?: string): void {
      if (kind === undefined) random = undefined
      const kept = kind === undefined ? [] : waiting.filter(fault => fault.kind !== kind)
      waiting.splice(0, waiting.length, ...kept)
    }
  }
}

export type Faults = ReturnType<typeof faults>
