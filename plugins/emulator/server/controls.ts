/** What a test, or a person, does on WeChat's side: the control interface, typed. */
import { once } from 'node:events'
import type { FastifyInstance } from 'fastify'
import type { Chaos } from '../control/trouble.ts'
import type { Explanation } from '../explain/explanation.ts'
import type { Fault } from '../faults/faults.ts'
import type { Call } from '../control/journal.ts'
import type { Message } from '../wechat/official-account-calls.ts'
import type { NewComplaint } from '../wechat/v3/complaints.ts'
import type { TransferState } from '../wechat/v3/transfers.ts'
import type { Mishap } from '../faults/mishaps.ts'
import type { Account, AuthCodeBehaviour, Delivery, KeyMode, KeySwitch, Order, Refund, World } from '../state/world.ts'

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

export interface EmulatorControls {
  /** Its base URL; payments are also at `config.endpoints.pay`, behind TLS. */
  readonly origin: string
  readonly config: EmulatorConfig
  readonly account: Account
  order (outTradeNo: string): Order | undefined
  /** The visitor pays; the notification is on its way. Throws if the order cannot be paid. */
  pay (outTradeNo: string, payer?: { openid?: string, subMchId?: string }): Promise<Order>
  cancel (outTradeNo: string, payer?: { subMchId?: string }): Promise<Order>
  /** The merchant refunds in the web console: what is left, or as many fen. */
  refundInConsole (outTradeNo: string, amount?: number): Promise<Refund>
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
  /** Which keys v3 is signed with from now on; of `both`, how far the switch is (`under-way`, and all callbacks by the public key, unless said otherwise). */
  setKeyMode (mode: KeyMode, change?: Partial<KeySwitch>): Promise<void>
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
  /** The calls that came, the newest first, each with its verdict. */
  calls (): Promise<Call[]>
  /** Why a signature was refused: that of a call, or the last one. Throws if none was. */
  explain (callId?: string): Promise<Explanation>
  notifications (): Delivery[]
  /** What the app has sent to users: template, subscribed and customer-service messages, the oldest first. */
  messages (): Message[]
  /** A transfer comes into a state; `reason`: of FAIL. */
  settleTransfer (outBillNo: string, state: TransferState, reason?: string): Promise<void>
  /** A payer complains about a paid order; its complaint_id. */
  complain (outTradeNo: string, complaint: NewComplaint): Promise<string>
  /** The next notification that this holds for, or one that has been sent already. */
  waitForNotification (which?: (delivery: Delivery) => boolean): Promise<Delivery>
  resend (id: string): Promise<Delivery>
  expireTokens (options?: { tickets?: boolean }): Promise<void>
  issued (): Promise<{ tokens: number, tickets: number, calls: Record<string, number> }>
  /** Moves this WeChat's clock on, in milliseconds. */
  advance (ms: number): void
}

export async function createControls (app: FastifyInstance, world: World, origin: string): Promise<EmulatorControls> {
  const { host, pathname } = new URL(origin)
  const prefix = pathname === '/' ? '' : pathname

  async function ask<T> (method: 'GET' | 'POST' | 'DELETE', path: string, payload?: object): Promise<T> {
    const reply = await app.inject({ method, url: `${prefix}/_emulator${path}`, headers: { host }, ...(payload && { payload }) })
    if (reply.statusCode !== 200) throw new Error(reply.json<{ message: string }>().message)
    return reply.json()
  }
  const orderPath = (number: string, what: string, subMchId?: string) => `/orders/${encodeURIComponent(number)}/${what}${subMchId === undefined ? '' : `?sub_mch_id=${subMchId}`}`

  return {
    origin,
    config: await ask('GET', '/config'),
    account: world.account,
    order: number => world.orders.get(number),
    pay: (number, { openid, subMchId } = {}) => ask('POST', orderPath(number, 'pay', subMchId), { openid }),
    cancel: (number, { subMchId } = {}) => ask('POST', orderPath(number, 'cancel', subMchId)),
    refundInConsole: (number, amount) => ask('POST', orderPath(number, 'refund'), { amount }),
    scan: (url, openid) => ask('POST', '/scan', { url, openid }),
    authCode: async (behaviour = 'pays', openid) => (await ask<{ auth_code: string }>('POST', '/auth-codes', { behaviour, openid })).auth_code,
    refunds: () => [...world.refunds.values()],
    settleRefund: (number, status = 'SUCCESS') => ask('POST', `/refunds/${encodeURIComponent(number)}/settle`, { status }),
    payCombined: number => ask('POST', `/combines/${encodeURIComponent(number)}/pay`),
    confirmTransfer: async number => { await ask('POST', `/transfers/${encodeURIComponent(number)}/confirm`) },
    setKeyMode: async (mode, change = {}) => { await ask('POST', '/keys/mode', { mode, ...change }) },
    rotateCertificate: async () => (await ask<{ serial: string }>('POST', '/keys/rotate')).serial,
    probe: url => ask('POST', '/probe', { url }),
    fault: async fault => { await ask('POST', '/faults', fault) },
    mishap: async mishap => { await ask('POST', '/notifications/mishaps', mishap) },
    chaos: async chaos => { await ask('POST', '/chaos', chaos) },
    clearFaults: async () => { await ask('DELETE', '/faults') },
    calls: () => ask('GET', '/calls'),
    explain: (id = 'latest') => ask('GET', `/explain/${id}`),
    notifications: () => world.deliveries,
    messages: () => world.memory.list<Message>('messages'),
    settleTransfer: async (number, state, reason) => { await ask('POST', `/transfers/${encodeURIComponent(number)}/settle`, { state, reason }) },
    complain: async (number, complaint) => (await ask<{ complaint_id: string }>('POST', '/complaints', { out_trade_no: number, ...complaint })).complaint_id,
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
    advance: world.advance
  }
}
