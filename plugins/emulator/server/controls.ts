/** The typed control interface: actions on WeChat's side. */
import type { FastifyInstance } from 'fastify'
import type { EmulatorConfig, OpenPlatformConfig } from '../control/config.ts'
import type { Chaos } from '../control/fault-routes.ts'
import type { Explanation } from '../explain/explanation.ts'
import type { Fault } from '../faults/faults.ts'
import type { Call } from '../control/journal.ts'
import type { RefundEnd } from '../control/orders.ts'
import type { NotificationFault } from '../faults/notification-faults.ts'
import { awaitDelivery } from '../notifications/await-delivery.ts'
import type { Message } from '../wechat/official-account-calls.ts'
import type { NewComplaint } from '../wechat/v3/complaints.ts'
import type { TransferState } from '../wechat/v3/transfers/bills.ts'
import type { AuthorizeOptions, ComponentSummary, ExpireOptions } from '../wechat/open-platform/component.ts'
import type { Account, AuthCodeBehaviour, Delivery, KeyMode, KeySwitch, Order, Refund, State } from '../state/state.ts'

export type { EmulatorConfig, OpenPlatformConfig } from '../control/config.ts'

export interface EmulatorControls {
  /** Its base URL; payments are also at `config.endpoints.pay`, behind TLS. */
  readonly origin: string
  /** Ready to spread into a plugin's options. */
  readonly config: Omit<EmulatorConfig, 'openPlatform'>
  /** With `component`: ready to spread into the options of `openPlatform`. */
  readonly openPlatformConfig: OpenPlatformConfig | undefined
  readonly account: Account
  order (outTradeNo: string): Order | undefined
  /** The visitor pays; the notification is sent. Throws if the order cannot be paid. */
  pay (outTradeNo: string, payer?: { openid?: string, subMchId?: string }): Promise<Order>
  cancel (outTradeNo: string, payer?: { subMchId?: string }): Promise<Order>
  /** The merchant refunds in the web console: the rest, or this many fen. */
  refundInConsole (outTradeNo: string, amount?: number): Promise<Refund>
  /** A visitor scans a QR code; returns its order. Throws if there is none. */
  scan (url: string, openid?: string): Promise<Order>
  /** Creates a payment code for pay by code. */
  authCode (behaviour?: AuthCodeBehaviour, openid?: string): Promise<string>
  /** The code that `wx.login` returns to this visitor's page (default: the first visitor); `blocked`: flagged as high risk, 40226. */
  loginCode (openid?: string, options?: { blocked?: boolean }): Promise<string>
  /** The code that the phone number button returns to the page. */
  phoneCode (phone?: string): Promise<string>
  refunds (): Refund[]
  /** Settles a refund, SUCCESS by default; takes a v2 or v3 status. */
  settleRefund (outRefundNo: string, status?: RefundEnd): Promise<Refund>
  /** The visitor pays a combined order. */
  payCombined (combineOutTradeNo: string): Promise<Order[]>
  /** The receiver confirms a transfer. */
  confirmTransfer (outBillNo: string): Promise<void>
  /** Sets the keys that sign v3 from now on; for `both`, the stage of the switch (default: `under-way`, with all callbacks signed with the public key). */
  setKeyMode (mode: KeyMode, change?: Partial<KeySwitch>): Promise<void>
  /** Issues a new platform certificate, which signs from now on; returns its serial number. */
  rotateCertificate (): Promise<string>
  /** Sends a v3 notification with a deliberately wrong signature. */
  probe (url: string): Promise<Delivery>
  /** Adds a fault for the next calls of a path. */
  fault (fault: Fault): Promise<void>
  clearFaults (): Promise<void>
  /** Adds a fault for the next notifications. */
  notificationFault (fault: NotificationFault): Promise<void>
  /** Random faults for all calls and notifications, until `clearFaults()`. */
  chaos (chaos: Chaos): Promise<void>
  /** The received calls with their verdicts, newest first. */
  calls (): Promise<Call[]>
  /** Explains a call's refused signature, or the last one. Throws if none was refused. */
  explain (callId?: string): Promise<Explanation>
  notifications (): Delivery[]
  /** Messages the app sent to users: template, subscription and customer-service messages, oldest first. */
  messages (): Message[]
  /** Sets the state of a transfer; `reason`: for FAIL. */
  settleTransfer (outBillNo: string, state: TransferState, reason?: string): Promise<void>
  /** A payer complains about a paid order; returns the complaint_id. */
  complain (outTradeNo: string, complaint: NewComplaint): Promise<string>
  /**
   * Resolves with the next notification that matches, or one that was already sent. Rejects after `timeout` milliseconds
   * (default 10,000; Infinity: never) with an error that lists the notifications and their answers.
   */
  waitForNotification (which?: (delivery: Delivery) => boolean, options?: { timeout?: number }): Promise<Delivery>
  resend (id: string): Promise<Delivery>
  expireTokens (options?: { tickets?: boolean }): Promise<void>
  issued (): Promise<{ tokens: number, tickets: number, calls: Record<string, number> }>
  /** Sets the URL for the third-party platform's tickets and authorization events, and pushes a ticket. */
  setComponentUrl (url: string): Promise<void>
  /** Pushes a new component_verify_ticket. Throws if no URL is set. */
  pushTicket (): Promise<Delivery>
  /** The owner of an account (default: this one) authorizes the platform. Returns the parameters WeChat adds to redirect_uri; the event is sent in the background. */
  authorizeComponent (appId?: string, options?: AuthorizeOptions): Promise<{ auth_code: string, expires_in: number }>
  /** The owner withdraws the authorization. Throws if there is none. */
  unauthorize (appId?: string): Promise<void>
  /** Expires the platform's tickets and tokens; `refreshTokens`: replaces them, so the old ones become invalid. */
  expireComponent (which: ExpireOptions): Promise<void>
  /** The third-party platform's URL, ticket and token, and each account's authorization. */
  component (): Promise<ComponentSummary>
  /**
   * Moves the emulator's clock, in milliseconds (negative: back): bills, expiry, refunds, tokens and redelivery follow it.
   * Timestamps of answers and callbacks, and the check of yours, use the real time.
   */
  advance (ms: number): void
  /** Returns to the real date. */
  resetClock (): void
}

export function createControls (app: FastifyInstance, state: State, origin: string, { openPlatform, ...config }: EmulatorConfig): EmulatorControls {
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
    config,
    openPlatformConfig: openPlatform && { ...openPlatform, endpoints: config.endpoints, http: config.http },
    account: state.account,
    order: number => state.orders.get(number),
    pay: (number, { openid, subMchId } = {}) => ask('POST', orderPath(number, 'pay', subMchId), { openid }),
    cancel: (number, { subMchId } = {}) => ask('POST', orderPath(number, 'cancel', subMchId)),
    refundInConsole: (number, amount) => ask('POST', orderPath(number, 'refund'), { amount }),
    scan: (url, openid) => ask('POST', '/scan', { url, openid }),
    authCode: async (behaviour = 'pays', openid) => (await ask<{ auth_code: string }>('POST', '/auth-codes', { behaviour, openid })).auth_code,
    loginCode: async (openid, { blocked } = {}) => (await ask<{ code: string }>('POST', '/login-codes', { openid, blocked })).code,
    phoneCode: async phone => (await ask<{ code: string }>('POST', '/phone-codes', { phone })).code,
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
