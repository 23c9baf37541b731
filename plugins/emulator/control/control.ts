/** The control interface: JSON under /_emulator. It acts as the visitor and shows WeChat's state. */
import { isIP } from 'node:net'
import type { FastifyError, FastifyInstance, FastifyRequest } from 'fastify'
import { WECHAT_HOSTS } from '../keys/pki.ts'
import type { State } from '../state/state.ts'
import { accountRoutes } from './account.ts'
import type { AccountParts } from './account.ts'
import { merchantRoutes } from './merchant.ts'
import type { MerchantParts } from './merchant.ts'
import { messageRoutes } from './messages.ts'
import { miniProgramRoutes } from './mini-program.ts'
import type { MiniProgramParts } from './mini-program.ts'
import { orderRoutes } from './orders.ts'
import type { OrderParts } from './orders.ts'
import { openPlatformRoutes } from './open-platform.ts'
import type { OpenPlatformParts } from './open-platform.ts'
import { recordRoutes } from './records.ts'
import type { RecordParts } from './records.ts'
import { triggerRoute } from './trigger.ts'
import { faultRoutes } from './fault-routes.ts'
import type { FaultRoutesParts } from './fault-routes.ts'
import { inspectRoutes } from './inspect.ts'
import type { InspectParts } from './inspect.ts'
import { createRoutes } from '../wechat/routes.ts'
import type { Handler, Routes } from '../wechat/routes.ts'
import { validate } from './validate.ts'

const HOSTS = new Set<string>(WECHAT_HOSTS)

/**
 * An IP address, a name without a dot, or one in a reserved domain: a website that points its own name
 * to this machine (DNS rebinding) must not read the keys. WeChat's own names arrive through a hosts entry.
 */
const isTrustedHost = (host: string) => HOSTS.has(host) || isIP(host.replace(/^\[|\]$/g, '')) !== 0 || !host.includes('.') || /\.(?:localhost|local|test|internal|lan)$/.test(host)

/** The allowed values, if there is a list. */
function choicesOf ({ validation = [] }: FastifyError): string {
  const [first] = validation
  return first?.keyword === 'enum' ? `: ${(first.params.allowedValues as string[]).join(', ')}` : ''
}

/**
 * Pages of other origins must not pay orders here, even if they cannot read the answer. Browsers send the origin in Origin
 * or, if that is missing, Sec-Fetch-Site.
 */
function isOwnPage ({ headers, host }: FastifyRequest): boolean {
  const { origin } = headers
  if (origin !== undefined) return URL.canParse(origin) && new URL(origin).host === host
  const site = headers['sec-fetch-site']
  return site === undefined || site === 'same-origin' || site === 'none' || headers['sec-fetch-mode'] === 'navigate'
}

export interface ControlParts extends AccountParts, MerchantParts, MiniProgramParts, OpenPlatformParts, OrderParts, RecordParts, FaultRoutesParts, InspectParts {
  /** Names by which pages may reach it. */
  publicHosts: readonly string[]
  /** Answers unknown paths. */
  missing: Handler | undefined
}

export function control (app: FastifyInstance, state: State, parts: ControlParts): void {
  app.register(async scope => {
    scope.removeAllContentTypeParsers()
    // Parse any content type as JSON: `curl -d` sends a form content type.
    scope.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => {
      try {
        done(null, body === '' ? null : JSON.parse(body as string))
      } catch {
        done(Object.assign(new Error('the body must be JSON'), { statusCode: 400 }))
      }
    })
    scope.setErrorHandler<FastifyError>((error, _request, reply) => {
      const status = error.statusCode ?? 500
      return reply.code(status).send({ code: status === 500 ? 'SYSTEMERROR' : 'PARAM_ERROR', message: error.message + choicesOf(error) })
    })
    scope.addHook('onRequest', async (request, reply) => {
      if (!isTrustedHost(request.hostname) && !parts.publicHosts.includes(request.hostname)) return reply.code(403).send({ code: 'FORBIDDEN', message: `the control interface does not accept the host name ${request.hostname}: start the emulator with --public-host ${request.hostname}` })
      if (!isOwnPage(request)) return reply.code(403).send({ code: 'FORBIDDEN', message: 'the control interface refuses pages of other origins: call it from a program, or from the dashboard' })
    })
    // The shortest URL of the dashboard.
    scope.get('/', async (_request, reply) => reply.redirect(`${scope.prefix}/dashboard`))
    const { routes, mount } = createRoutes(scope, { placeOf: () => '', missing: parts.missing, check: validate })
    controlRoutes(routes, state, parts)
    mount()
  }, { prefix: '/_emulator' })
}

/** Registers all control routes; also used to generate the OpenAPI document. */
export function controlRoutes (routes: Routes, state: State, parts: ControlParts): void {
  accountRoutes(routes, state, parts)
  orderRoutes(routes, state, parts)
  triggerRoute(routes, state, parts)
  merchantRoutes(routes, parts)
  messageRoutes(routes, state)
  miniProgramRoutes(routes, parts)
  openPlatformRoutes(routes, parts, state.account.appId)
  faultRoutes(routes, state, parts)
  recordRoutes(routes, state, parts)
  inspectRoutes(routes, state, parts)
}
