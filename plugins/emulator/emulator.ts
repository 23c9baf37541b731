/**
 * WeChat's side on your own machine: a Fastify plugin, and `createEmulator()` that starts one by itself.
 * It refuses what WeChat refuses, with WeChat's codes and words. For development and tests only.
 */
import { once } from 'node:events'
import Fastify from 'fastify'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import { authorize } from './authorize.ts'
import { bridge } from './bridge.ts'
import { control } from './control.ts'
import { createNotifier } from './notifier.ts'
import { officialAccount } from './official-account.ts'
import { payV2 } from './pay-v2.ts'
import { createWorld } from './world.ts'
import type { Account, Delivery, Order, World, WorldOptions } from './world.ts'

export interface EmulatorOptions extends WorldOptions {
  /** Needed, together with the environment's WECHAT_EMULATOR_IN_PRODUCTION=yes, where NODE_ENV is production. */
  allowProduction?: boolean
  /** @internal What WeChat knows; made anew by default. */
  world?: World
}

const BODY_LIMIT = 1 << 20

/** @throws Error where NODE_ENV is production, unless told twice */
export async function emulator (app: FastifyInstance, options: EmulatorOptions): Promise<void> {
  refuseProduction(options.allowProduction)
  const world = options.world ?? createWorld(options)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: BODY_LIMIT }, (_request, body, done) => done(null, body))
  const account = officialAccount(app, world)
  authorize(app, world)
  const pay = payV2(app, world)
  const notifier = createNotifier(world, app.log)
  bridge(app, world, account, pay)
  control(app, world, account, pay, notifier)
  app.addHook('onClose', async () => { await notifier.close() })
}

function refuseProduction (allowed = false): void {
  if (process.env.NODE_ENV !== 'production') return
  if (allowed && process.env.WECHAT_EMULATOR_IN_PRODUCTION === 'yes') return
  throw new Error('the WeChat emulator does not run with NODE_ENV=production: it accepts payments nobody makes')
}

/** What `GET /_emulator/config` answers: ready to be spread into the plugins' options. */
export interface EmulatorConfig {
  appId: string
  appSecret: string
  merchant: { mchId: string, v2: { apiKey: string } }
  endpoints: { api: string, open: string, pay: string, payBackup: string }
}

export interface Emulator {
  readonly app: FastifyInstance
  /** Its base URL. */
  readonly origin: string
  readonly config: EmulatorConfig
  readonly account: Account
  order (outTradeNo: string): Order | undefined
  /** The visitor pays; the notification is on its way. Throws if the order cannot be paid. */
  pay (outTradeNo: string): Promise<Order>
  cancel (outTradeNo: string): Promise<Order>
  notifications (): Delivery[]
  /** The next notification that this holds for, or one that has been sent already. */
  waitForNotification (which?: (delivery: Delivery) => boolean): Promise<Delivery>
  resend (id: string): Promise<Delivery>
  expireTokens (options?: { tickets?: boolean }): Promise<void>
  issued (): Promise<{ tokens: number, tickets: number, calls: Record<string, number> }>
  /** Moves this WeChat's clock on, in milliseconds. */
  advance (ms: number): void
  close (): Promise<void>
}

export interface CreateEmulatorOptions extends EmulatorOptions {
  /** Default: any free one. */
  port?: number
  /** Default 127.0.0.1: only this machine. */
  host?: string
  logger?: FastifyServerOptions['logger']
}

/** Starts an emulator on a port of its own and hands out its controls. */
export async function createEmulator ({ port = 0, host = '127.0.0.1', logger = false, ...options }: CreateEmulatorOptions = {}): Promise<Emulator> {
  const world = createWorld(options)
  const app = Fastify({ logger: logger as boolean, forceCloseConnections: true })
  app.register(emulator, { ...options, world })
  const origin = await app.listen({ port, host })

  async function ask<T> (method: 'GET' | 'POST', path: string, payload?: object): Promise<T> {
    const reply = await app.inject({ method, url: `/_emulator${path}`, headers: { host: new URL(origin).host }, ...(payload && { payload }) })
    if (reply.statusCode !== 200) throw new Error(reply.json<{ message: string }>().message)
    return reply.json()
  }
  const orderPath = (number: string) => `/orders/${encodeURIComponent(number)}`

  return {
    app,
    origin,
    config: await ask('GET', '/config'),
    account: world.account,
    order: number => world.orders.get(number),
    pay: number => ask('POST', `${orderPath(number)}/pay`),
    cancel: number => ask('POST', `${orderPath(number)}/cancel`),
    notifications: () => world.deliveries,
    async waitForNotification (which = () => true) {
      for (;;) {
        const sent = world.deliveries.find(delivery => (delivery.reply || delivery.error) && which(delivery))
        if (sent) return sent
        await once(world.events, 'delivery')
      }
    },
    resend: id => ask('POST', `/notifications/${id}/resend`),
    expireTokens: async (which = {}) => { await ask('POST', '/tokens/expire', which) },
    issued: () => ask('GET', '/tokens'),
    advance: world.advance,
    close: () => app.close()
  }
}

export default emulator
export type { Account, Delivery, Order, WorldOptions }
