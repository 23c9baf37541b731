/**
 * WeChat's side on your own machine: a Fastify plugin, and `createEmulator()` that starts one by itself.
 * It refuses what WeChat refuses, with WeChat's codes and messages. For development and tests only.
 */
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { isIP } from 'node:net'
import Fastify from 'fastify'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import { NO_COMPILERS } from '../control/validate.ts'
import { configOf } from '../control/account.ts'
import { checkTenants, createTenantRouter } from './accounts.ts'
import { createControls } from './controls.ts'
import type { EmulatorControls } from './controls.ts'
import { lockData } from './lock.ts'
import type { Lock } from './lock.ts'
import { keepState, readState, writeKeyFiles } from './data.ts'
import { testNotifications } from '../notifications/samples.ts'
import { createAuthority, createPki } from '../keys/pki.ts'
import { emulator, refuseProduction } from './plugin.ts'
import type { EmulatorOptions } from './plugin.ts'
import { KEEP_ALIVE, listenSecurely, proxyWechat } from './tls.ts'
import { checkEmulatorOptions } from './options.ts'
import { prepareKeys } from '../keys/v3-keys.ts'
import { createOpenPlatform } from '../wechat/open-platform/component.ts'
import { createState } from '../state/state.ts'
import type { StateOptions } from '../state/state.ts'

export interface Emulator extends EmulatorControls {
  readonly app: FastifyInstance
  /** The TLS port, also for WeChat's host names. */
  readonly securePort: number
  /** The controls of an account in `accounts`. Throws if there is none with this name. */
  named (name: string): EmulatorControls
  close (): Promise<void>
}

export interface CreateEmulatorOptions extends EmulatorOptions {
  /** Default: any free port. */
  port?: number
  /** The TLS port. Default: any free port. */
  securePort?: number
  /** Default 127.0.0.1: only this machine. */
  host?: string
  /** Further host names and addresses: its TLS certificate includes them, and the control interface accepts them. */
  publicHost?: string | string[]
  /** A folder for state and keys: the next emulator with this folder continues from there. Default: nothing is stored. */
  data?: string
  /** Additional accounts, each with its own merchant, on the same origin: calls are routed by their ids, or by the path `/<name>`. */
  accounts?: Array<StateOptions & { name: string }>
  logger?: FastifyServerOptions['logger']
}

/** Starts an emulator on its own port and returns its controls. */
export async function createEmulator (options: CreateEmulatorOptions = {}): Promise<Emulator> {
  checkEmulatorOptions(options)
  refuseProduction(options.allowProduction)
  const id = randomUUID()
  if (options.data === undefined) return await start(options, id)
  const lock = await lockData(options.data, id)
  try {
    return await start(options, id, lock)
  } catch (error) {
    lock.release()
    throw error
  }
}

async function start ({ port = 0, securePort = 0, host = '127.0.0.1', publicHost = [], logger = false, data, accounts = [], component = false, ...options }: CreateEmulatorOptions, id: string, lock?: Lock): Promise<Emulator> {
  const publicHosts = typeof publicHost === 'string' ? [publicHost] : publicHost
  for (const name of publicHosts) if (!isHostName(name)) throw new Error('publicHost must be a host name or an IP address, without scheme and port')
  const saved = data === undefined ? undefined : readState(data)
  const keys = saved ? undefined : prepareKeys()
  const authority = createAuthority(saved?.authority, publicHosts)
  const tenants = [{ name: '', ...options }, ...accounts].map(({ name, ...options }) => {
    const before = saved?.accounts[name]
    const state = createState(options, before?.memory)
    return { name, state, pki: createPki(state.account.mchId, authority, state.random, before?.keys) }
  })
  checkTenants(tenants)
  const router = createTenantRouter(tenants)
  const app = Fastify({
    logger: logger as boolean,
    forceCloseConnections: true,
    exposeHeadRoutes: false,
    schemaController: NO_COMPILERS,
    rewriteUrl: request => router.rewriteUrl(request as Parameters<typeof router.rewriteUrl>[0]),
    serverFactory: handler => createServer({ keepAliveTimeout: KEEP_ALIVE }, (request, reply) => router.peek(request, () => handler(request, reply)))
  })
  app.get('/', async (_request, reply) => reply.redirect('/_emulator/dashboard'))
  const secure = { port: 0 }
  /** Uses the host name of the request if the TLS certificate covers it. */
  const secureOrigin = (name: string) => secure.port === 0
    ? undefined
    : `https://${publicHosts.includes(name) || name === host || name === 'localhost' ? name : host === '127.0.0.1' ? host : 'localhost'}:${secure.port}`
  const names = tenants.map(({ name }) => name)
  const platform = component ? createOpenPlatform(component === true ? {} : component, tenants, app.log) : undefined
  for (const { name, state, pki } of tenants) {
    app.register(emulator, { ...options, prefix: name && `/${name}`, parts: { state, pki, secureOrigin, names, id, publicHosts, platform } })
  }
  if (data !== undefined) {
    await keys
    writeKeyFiles(data, { authority, tenants })
    const kept = keepState(data, { authority, tenants })
    app.addHook('onClose', async () => {
      kept.close()
      lock?.release()
    })
  }
  if (platform) app.addHook('onClose', platform.close)
  proxyWechat(app, secure, host)
  const origin = await app.listen({ port, host }).catch(naming('port', port))
  const handle = (request: IncomingMessage, reply: ServerResponse) => router.peek(request, () => app.routing(request, reply))
  const listening = await listenSecurely(app, authority, { port: securePort, host, handle }).catch(naming('securePort', securePort)).catch(async (error: Error) => {
    // Otherwise a half-started emulator would keep the process alive.
    await app.close()
    throw error
  })
  secure.port = listening
  lock?.setOrigin(origin)

  await keys
  platform?.start()
  const controls = new Map<string, EmulatorControls>()
  for (const { name, state, pki } of tenants) {
    const prefix = name && `/${name}`
    const config = configOf({ state, pki, platform }, origin + prefix, `${secureOrigin(new URL(origin).hostname)}${prefix}`)
    controls.set(name, createControls(app, state, origin + prefix, config))
  }
  return {
    ...controls.get('') as EmulatorControls,
    app,
    securePort: listening,
    named (name) {
      const found = controls.get(name)
      if (!found) throw new Error(`no account is named ${name}`)
      return found
    },
    close: () => app.close()
  }
}

/** Adds the option's name to the error for a port in use. */
const naming = (option: 'port' | 'securePort', port: number) => (error: NodeJS.ErrnoException): never => {
  throw error.code === 'EADDRINUSE' ? Object.assign(new Error(`${option} ${port} is in use`), { code: error.code, option }) : error
}

const isHostName = (name: string) => isIP(name) !== 0 || /^(?=.{1,253}$)[a-z\d]([a-z\d-]*[a-z\d])?(\.[a-z\d]([a-z\d-]*[a-z\d])?)*$/i.test(name)

export default emulator
export { emulator, testNotifications }
export type { EmulatorConfig, EmulatorControls, OpenPlatformConfig } from './controls.ts'
export type { Chaos } from '../control/fault-routes.ts'
export type { Difference, Explanation } from '../explain/explanation.ts'
export type { Mistake } from '../explain/mistakes.ts'
export type { Authorization, AuthorizeOptions, ComponentOptions, ComponentSummary, ExpireOptions } from '../wechat/open-platform/component.ts'
export type { Fault } from '../faults/faults.ts'
export type { Call } from '../control/journal.ts'
export type { Message } from '../wechat/official-account-calls.ts'
export type { NewComplaint } from '../wechat/v3/complaints.ts'
export type { TransferState } from '../wechat/v3/transfers/bills.ts'
export type { NotificationFault } from '../faults/notification-faults.ts'
export type { TestAccount, TestMessage, TestNotifications, TestPayment, TestRefund } from '../notifications/samples.ts'
export type { EmulatorOptions } from './plugin.ts'
export type { Account, AuthCodeBehaviour, Delivery, KeyMode, KeySwitch, Order, Refund, StateOptions } from '../state/state.ts'
