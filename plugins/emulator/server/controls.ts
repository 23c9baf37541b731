/** What a test, or a person, does on WeChat's side: the control interface, typed. */
import type { FastifyInstance } from 'fastify'
import type { EmulatorConfig } from '../control/config.ts'
import type { Chaos } from '../control/fault-routes.ts'
import type { Explanation } from '../explain/explanation.ts'
import type { Fault } from '../faults/faults.ts'
import type { Call } from '../control/journal.ts'
import type { RefundEnd } from '../control/orders.ts'
import type { NotificationFault } from '../faults/notification-faults.ts'
import { awaitDelivery } from '../notifications/await-delivery.ts'
import type { Message } from '../wechat/official-account-calls.ts'
import type { NewComplaint } from '../wechat/v3/complaints.ts'
import type { TransferState } from '../wechat/v3/transfers.ts'
import type { AuthorizeOptions, ComponentSummary, ExpireOptions } from '../wechat/open-platform/component.ts'
import type { Account, AuthCodeBehaviour, Delivery, KeyMode, KeySwitch, Order, Refund, State } from '../state/state.ts'

export type { EmulatorConfig } from '../control/config.ts'

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
  /** Ends a refund, SUCCESS by default; in v2's words or in v3's. */
  settleRefund (outRefundNo: string, status?: RefundEnd): Promise<Refund>
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
  notificationFault (fault: NotificationFault): Promise<void>
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
  /**
   * The next notification that this holds for, or one that has been sent already. Rejects after `timeout` milliseconds
   * (default 10,000; Infinity: never) with an error that says which notifications came, and what they were answered.
   */
  waitForNotification (which?: (delivery: Delivery) => boolean, options?: { timeout?: number }): Promise<Delivery>
  resend (id: string): Promise<Delivery>
  expireTokens (options?: { tickets?: boolean }): Promise<void>
  issued (): Promise<{ tokens: number, tickets: number, calls: Record<string, number> }>
  /** Of the third-party platform: where tickets and authorization events go; a ticket is pushed at once. */
  setComponentUrl (url: string): Promise<void>
  /** A new component_verify_ticket, pushed now. Throws without a URL. */
  pushTicket (): Promise<Delivery>
  /** The owner of an account (default: this one) authorizes the platform: what WeChat hands back in redirect_uri; the event is on its way. */
  authorizeComponent (appId?: string, options?: AuthorizeOptions): Promise<{ auth_code: string, expires_in: number }>
  /** The owner withdraws the authorization. Throws if there is none. */
  unauthorize (appId?: string): Promise<void>
  /** Tickets and tokens of the platform expire now; `refreshTokens` are changed, so that those which are known are dead. */
  expireComponent (which: ExpireOptions): Promise<void>
  /** How the third-party platform stands: its URL, ticket and tokens, and each account's authorization. */
  component (): Promise<ComponentSummary>
  /**
   * Moves this WeChat's calendar, in milliseconds (negative: back): bills, expiry, refunds, tokens and redelivery go by it.
   * Answers, callbacks and the check of timestamps keep to the real time.
   */
  advance (ms: number): void
  /** Back to the real date. */
  resetClock (): void
}

export async function createControls (app: FastifyInstance, state: State, origin: string): Promise<EmulatorControls> {
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
    account: state.account,
    order: number => state.orders.get(number),
    pay: (number, { openid, subMchId } = {}) => ask('POST', orderPath(number, 'pay', subMchId), { openid }),
    cancel: (number, { subMchId } = {}) => ask('POST', orderPath(number, 'cancel', subMchId)),
    refundInConsole: (number, amount) => ask('POST', orderPath(number, 'refund'), { amount }),
    scan: (url, openid) => ask('POST', '/scan', { url, openid }),
    authCode: async (behaviour = 'pays', openid) => (await ask<{ auth_code: string }>('POST', '/auth-codes', { behaviour, openid })).auth_code,
    refunds: () => [...state.refunds.values()],
    settleRefund: (number, status = 'SUCCESS') => ask('POST', `/refunds/${encodeURIComponent(number)}/settle`, { status }),
    payCombined: number => ask('POST', `/combines/${encodeURIComponent(number)}/pay`),
    confirmTransfer: async number => { await ask('POST', `/transfers/${encodeURIComponent(number)}/confirm`) },
    setKeyMode: async (mode, change = {}) => { await ask('POST', '/keys/mode', { mode, ...change }) },
    rotateCertificate: async () => (await ask<{ serial: string }>('POST', '/keys/rotate')).serial,
    probe: url => ask('POST', '/probe', { url }),
    fault: async fault => { await ask('POST', '/faults', fault) },
    notificationFault: async fault => { await ask('POST', '/notifications/faults', fault) },
    chaos: async chaos => { await ask('POST', '/chaos', chaos) },
    clearFaults: async () => { await ask('DELETE', '/faults') },
    calls: () => ask('GET', '/calls'),
    explain: (id = 'latest') => ask('GET', `/explain/${id}`),
    notifications: () => state.deliveries,
    messages: () => state.memory.list<Message>('messages'),
    settleTransfer: async (number, state, reason) => { await ask('POST', `/transfers/${encodeURIComponent(number)}/settle`, { state, reason }) },
    complain: async (number, complaint) => (await ask<{ complaint_id: string }>('POST', '/complaints', { out_trade_no: number, ...complaint })).complaint_id,
    waitForNotification: (which = () => true, { timeout = 10_000 } = {}) => awaitDelivery(state, which, timeout),
    resend: id => ask('POST', `/notifications/${id}/resend`),
    expireTokens: async (which = {}) => { await ask('POST', '/tokens/expire', which) },
    issued: () => ask('GET', '/tokens'),
    setComponentUrl: async url => { await ask('POST', '/component/url', { url }) },
    pushTicket: () => ask('POST', '/component/ticket'),
    authorizeComponent: (appId, { permissions, newRefreshToken } = {}) => ask('POST', '/component/authorize', { app_id: appId, permissions, new_refresh_token: newRefreshToken }),
    unauthorize: async appId => { await ask('POST', '/component/unauthorize', { app_id: appId }) },
    expireComponent: async which => { await ask('POST', '/component/expire', which) },
    component: () => ask('GET', '/component'),
    advance: state.advance,
    resetClock: state.resetClock
  }
}
