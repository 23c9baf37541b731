/**
 * WeChat's side on your own machine: a Fastify plugin, and `createEmulator()` that starts one by itself.
 * It refuses what WeChat refuses, with WeChat's codes and words. For development and tests only.
 */
import { createPublicKey, verify } from 'node:crypto'
import { once } from 'node:events'
import Fastify from 'fastify'
import type { FastifyInstance, FastifyServerOptions } from 'fastify'
import { authorize } from './authorize.ts'
import { bridge } from './bridge.ts'
import { control } from './control.ts'
import type { Chaos } from './control.ts'
import { faults } from './faults.ts'
import type { Fault } from './faults.ts'
import { createMishaps } from './mishaps.ts'
import type { Mishap } from './mishaps.ts'
import { testNotifications } from './notifications.ts'
import { createNotifier } from './notifier.ts'
import { officialAccount } from './official-account.ts'
import { createPki } from './pki.ts'
import type { Pki } from './pki.ts'
import { listenSecurely } from './tls.ts'
import { payV2 } from './v2/v2.ts'
import { payV3 } from './v3/v3.ts'
import { createWorld } from './world.ts'
import type { Account, AuthCodeBehaviour, Delivery, KeyMode, Order, Refund, World, WorldOptions } from './world.ts'

export interface EmulatorOptions extends WorldOptions {
  /** Needed, together with the environment's WECHAT_EMULATOR_IN_PRODUCTION=yes, where NODE_ENV is production. */
  allowProduction?: boolean
  /** @internal What WeChat knows, its certificates, and where its mutual TLS is; made anew by default. */
  parts?: { world: World, pki: Pki, secureOrigin (): string | undefined }
}

const BODY_LIMIT = 1 << 20

/** @throws Error where NODE_ENV is production, unless told twice */
export async function emulator (app: FastifyInstance, options: EmulatorOptions): Promise<void> {
  refuseProduction(options.allowProduction)
  const world = options.parts?.world ?? createWorld(options)
  const pki = options.parts?.pki ?? createPki(world.account.mchId)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: BODY_LIMIT }, (_request, body, done) => done(null, body))
  const trouble = faults(app)
  const account = officialAccount(app, world)
  authorize(app, world)
  const mishaps = createMishaps()
  const notifier = createNotifier(world, pki.v3, mishaps, app.log)
  const merchantKey = createPublicKey(pki.v3.merchant.key)
  const pay = payV2(app, world, {
    origin: () => app.listeningOrigin + app.prefix,
    verifyRsa: (text, signature) => verify('sha256', Buffer.from(text), merchantKey, Buffer.from(signature, 'base64')),
    refundSettled: refund => {
      const order = [...world.orders.values()].find(order => order.transaction_id === refund.transaction_id)
      if (order) notifier.refunded(refund, order)
    }
  })
  const v3 = payV3(app, world, pki.v3, pay, notifier.combinedPaid)
  bridge(app, world, account, pay)
  control(app, world, { account, pay, v3, notifier, faults: trouble, mishaps, pki, secureOrigin: options.parts?.secureOrigin ?? (() => undefined) })
  app.addHook('onClose', async () => {
    pay.refunds.close()
    await notifier.close()
  })
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
  merchant: {
    mchId: string
    v2: { apiKey: string, cert: string, key: string }
    v3: { serialNo: string, privateKey: string, apiV3Key: string, publicKeyId?: string, publicKey?: string }
  }
  endpoints: { api: string, open: string, pay: string, payBackup: string }
  /** What clients have to trust, since the emulator's payments are behind mutual TLS like WeChat's. */
  http: { ca: string }
}

export interface Emulator {
  readonly app: FastifyInstance
  /** Its base URL; payments are also at `config.endpoints.pay`, behind TLS. */
  readonly origin: string
  readonly config: EmulatorConfig
  readonly account: Account
  order (outTradeNo: string): Order | undefined
  /** The visitor pays; the notification is on its way. Throws if the order cannot be paid. */
  pay (outTradeNo: string, payer?: { openid?: string, subMchId?: string }): Promise<Order>
  cancel (outTradeNo: string, payer?: { subMchId?: string }): Promise<Order>
  /** A visitor scans a QR code: the order that it leads to. Throws if there is none. */
  scan (url: string, openid?: string): Promise<Order>
  /** What a payer shows at the till. */
  authCode (behaviour?: AuthCodeBehaviour, openid?: string): Promise<string>
  refunds (): Refund[]
  /** Ends a refund, SUCCESS by default. */
  settleRefund (outRefundNo: string, status?: Exclude<Refund['refund_status'], 'PROCESSING'>): Promise<Refund>
  /** The visitor pays orders that were placed together. */
  payCombined (combineOutTradeNo: string): Promise<Order[]>
  /** The receiver of a transfer confirms it. */
  confirmTransfer (outBillNo: string): Promise<void>
  /** Which keys v3 is signed with from now on. */
  setKeyMode (mode: KeyMode): Promise<void>
  /** A new platform certificate signs from now on; its serial number. */
  rotateCertificate (): Promise<string>
  /** A v3 notification with a signature that is false on purpose. */
  probe (url: string): Promise<Delivery>
  /** The next calls of this path meet a fault. */
  fault (fault: Fault): Promise<void>
  clearFaults (): Promise<void>
  /** What happens to the next notifications. */
  mishap (mishap: Mishap): Promise<void>
  /** What may happen to any call and any notification, by chance, until `clearFaults()`. */
  chaos (chaos: Chaos): Promise<void>
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
  /** Where payments are, behind TLS. Default: any free one. */
  securePort?: number
  /** Default 127.0.0.1: only this machine. */
  host?: string
  logger?: FastifyServerOptions['logger']
}

/** Starts an emulator on a port of its own and hands out its controls. */
export async function createEmulator ({ port = 0, securePort = 0, host = '127.0.0.1', logger = false, ...options }: CreateEmulatorOptions = {}): Promise<Emulator> {
  const world = createWorld(options)
  const pki = createPki(world.account.mchId)
  const app = Fastify({ logger: logger as boolean, forceCloseConnections: true })
  const secure: { origin?: string } = {}
  app.register(emulator, { ...options, parts: { world, pki, secureOrigin: () => secure.origin } })
  const origin = await app.listen({ port, host })
  secure.origin = await listenSecurely(app, pki, { port: securePort, host })

  async function ask<T> (method: 'GET' | 'POST' | 'DELETE', path: string, payload?: object): Promise<T> {
    const reply = await app.inject({ method, url: `/_emulator${path}`, headers: { host: new URL(origin).host }, ...(payload && { payload }) })
    if (reply.statusCode !== 200) throw new Error(reply.json<{ message: string }>().message)
    return reply.json()
  }
  const orderPath = (number: string, what: string, subMchId?: string) => `/orders/${encodeURIComponent(number)}/${what}${subMchId === undefined ? '' : `?sub_mch_id=${subMchId}`}`

  return {
    app,
    origin,
    config: await ask('GET', '/config'),
    account: world.account,
    order: number => world.orders.get(number),
    pay: (number, { openid, subMchId } = {}) => ask('POST', orderPath(number, 'pay', subMchId), { openid }),
    cancel: (number, { subMchId } = {}) => ask('POST', orderPath(number, 'cancel', subMchId)),
    scan: (url, openid) => ask('POST', '/scan', { url, openid }),
    authCode: async (behaviour = 'pays', openid) => (await ask<{ auth_code: string }>('POST', '/auth-codes', { behaviour, openid })).auth_code,
    refunds: () => [...world.refunds.values()],
    settleRefund: (number, status = 'SUCCESS') => ask('POST', `/refunds/${encodeURIComponent(number)}/settle`, { status }),
    payCombined: number => ask('POST', `/combines/${encodeURIComponent(number)}/pay`),
    confirmTransfer: async number => { await ask('POST', `/transfers/${encodeURIComponent(number)}/confirm`) },
    setKeyMode: async mode => { await ask('POST', '/keys/mode', { mode }) },
    rotateCertificate: async () => (await ask<{ serial: string }>('POST', '/keys/rotate')).serial,
    probe: url => ask('POST', '/probe', { url }),
    fault: async fault => { await ask('POST', '/faults', fault) },
    mishap: async mishap => { await ask('POST', '/notifications/mishaps', mishap) },
    chaos: async chaos => { await ask('POST', '/chaos', chaos) },
    clearFaults: async () => { await ask('DELETE', '/faults') },
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
export { testNotifications }
export type { TestAccount, TestMessage, TestNotifications, TestPayment, TestRefund } from './notifications.ts'
export type { Chaos } from './control.ts'
export type { Mishap } from './mishaps.ts'
export type { Account, AuthCodeBehaviour, Delivery, Fault, KeyMode, Order, Refund, WorldOptions }
