/** WeChat's pushes to a platform: encrypted XML to its URL for authorization events. */
import type { FastifyBaseLogger } from 'fastify'
import { createPoster } from '../../notifications/post.ts'
import { createScheduler } from '../../state/scheduler.ts'
import type { Delivery, State } from '../../state/state.ts'
import { v2Xml } from '../wire.ts'
import type { Values } from '../wire.ts'
import { encryptMessage, signatureOf } from './crypt.ts'

export interface ComponentAccount { appId: string, appSecret: string, token: string, encodingAesKey: string }

export type InfoType = 'component_verify_ticket' | 'authorized' | 'updateauthorized' | 'unauthorized'

interface Push { infoType: InfoType, values: Values, attempt: number, since: number }

/** Seconds between attempts. A guess: WeChat documents three attempts, five seconds apart, for user messages. */
const SCHEDULE = [5, 5]
/** Seconds between tickets; recorded, with occasional gaps of an hour. */
const TICKET_EVERY = 600
/** Minimum milliseconds between tickets, for any timeScale. */
const LEAST = 100

const HEADERS = { 'user-agent': 'Mozilla/4.0', accept: '*/*', pragma: 'no-cache', 'content-type': 'text/xml' }

export interface PushParts {
  account: ComponentAccount
  log: FastifyBaseLogger
  /** Creates and stores a new ticket. */
  newTicket (): string
}

export function createPushes (state: State, { account, log, newTicket }: PushParts) {
  const settings = state.memory.table<string>('component')
  const pending = state.memory.table<Push>('componentPushes')
  const scheduler = createScheduler(state)
  const underWay = new Set<Promise<unknown>>()
  const poster = createPoster()
  let closed = false

  const url = () => settings.get('url') ?? ''
  /** Whether the URL has accepted a ticket. Before that, WeChat pushes only tickets. */
  const hasAnswered = () => settings.get('answered') === url()

  /** A fresh prefix, nonce and timestamp for each attempt (a guess: WeChat may send the same bytes again). */
  function encrypted (xml: string): { url: string, body: string } {
    // Signatures use the real time, not the emulator's clock.
    const timestamp = String(Math.floor(state.wireNow() / 1000))
    const nonce = state.random.digits(10)
    const ciphertext = encryptMessage(xml, account, state.random.word(16))
    const target = new URL(url())
    const query = { signature: signatureOf(account.token, timestamp, nonce), timestamp, nonce, encrypt_type: 'aes', msg_signature: signatureOf(account.token, timestamp, nonce, ciphertext) }
    for (const [name, value] of Object.entries(query)) target.searchParams.set(name, value)
    return { url: target.href, body: v2Xml({ AppId: account.appId, Encrypt: ciphertext }) }
  }

  async function send (infoType: InfoType, attempt: number, message: { url: string, body: string }, refusal?: string): Promise<Delivery> {
    const delivery: Delivery = {
      id: `n${state.deliveries.length + 1}`,
      about: 'component',
      info_type: infoType,
      out_trade_no: '',
      out_refund_no: '',
      attempt,
      url: message.url,
      sent_at: new Date(state.now()).toISOString(),
      request: { headers: { ...HEADERS }, body: message.body },
      reply: null,
      error: refusal ?? null,
      accepted: false
    }
    state.deliveries.push(delivery)
    if (refusal === undefined) await deliver(delivery)
    state.events.emit('delivery', delivery)
    state.events.emit('change')
    log.debug({ info_type: infoType, attempt, accepted: delivery.accepted }, 'push delivered')
    return delivery
  }

  async function deliver (delivery: Delivery): Promise<void> {
    const { url, request: { headers, body } } = delivery
    try {
      const reply = await poster.post(url, { headers, body })
      delivery.reply = { status: reply.status, body: reply.body.toString().slice(0, 2000) }
      // The plain word; that surrounding whitespace is accepted is a guess.
      delivery.accepted = reply.status === 200 && delivery.reply.body.trim() === 'success'
    } catch (error) {
      delivery.error = (error as Error).message
    }
    if (delivery.accepted && delivery.info_type === 'component_verify_ticket') settings.set('answered', settings.get('url') ?? '')
  }

  async function attempt (key: string, push: Push): Promise<Delivery> {
    const { infoType, values, attempt: number } = push
    const xml = v2Xml({ AppId: account.appId, CreateTime: Math.floor(state.wireNow() / 1000), InfoType: infoType, ...values })
    pending.set(key, push)
    const sending = send(infoType, number, encrypted(xml))
    underWay.add(sending)
    const delivery = await sending.finally(() => underWay.delete(sending))
    // A newer ticket replaced this one; or the emulator is closing, and retries after a restart.
    if (pending.get(key) !== push || (closed && !delivery.accepted)) return delivery
    if (delivery.accepted || SCHEDULE[number - 1] === undefined) pending.delete(key)
    else again(key, { ...push, attempt: number + 1, since: state.now() })
    return delivery
  }

  function again (key: string, push: Push): void {
    if (closed) return
    pending.set(key, push)
    scheduler.schedule(key, push.since, (SCHEDULE[push.attempt - 2] ?? 0) * 1000 * state.timeScale, () => { if (pending.get(key) === push) run(attempt(key, push)) })
  }

  /** Delivery errors are recorded in the delivery; anything thrown is a bug in the emulator. */
  function run (work: Promise<unknown>): void {
    work.catch((error: Error) => log.error({ err: error }, 'a push failed'))
  }

  async function pushTicket (): Promise<Delivery> {
    schedule()
    return await attempt('ticket', { infoType: 'component_verify_ticket', values: { ComponentVerifyTicket: newTicket() }, attempt: 1, since: state.now() })
  }

  function schedule (): void {
    if (closed || url() === '' || settings.get('pushing') !== 'yes') return
    scheduler.schedule('next ticket', state.now(), Math.max(LEAST, TICKET_EVERY * 1000 * state.timeScale), () => run(pushTicket()))
  }

  return {
    url,
    hasAnswered,
    isPushing: () => settings.get('pushing') === 'yes',
    /** Resumes pushes pending since before a restart, and pushes a ticket. */
    start (): void {
      for (const [key, push] of pending) if (key !== 'ticket') again(key, push)
      if (url() !== '' && settings.get('pushing') === 'yes') run(pushTicket())
    },
    /** Starts pushing, beginning with a ticket. */
    startPushing (): void {
      settings.set('pushing', 'yes')
      if (url() !== '') run(pushTicket())
    },
    /** @throws Error if no URL is set */
    async pushTicket (): Promise<Delivery> {
      if (url() === '') throw new Error('no URL to push to: set the component\'s url')
      return await pushTicket()
    },
    pushEvent (infoType: Exclude<InfoType, 'component_verify_ticket'>, values: Values): void {
      if (closed || url() === '') return
      // Recorded so that the dashboard shows it. That it is lost rather than sent later is a guess.
      if (!hasAnswered()) return run(send(infoType, 1, { url: url(), body: '' }, 'not sent: the URL has not answered "success" to a ticket yet'))
      run(attempt(`push ${state.random.hex(8)}`, { infoType, values, attempt: 1, since: state.now() }))
    },
    /** A duplicate: the same bytes, nonce and signature. */
    async resend ({ info_type: infoType, attempt: number, url: target, request: { body } }: Delivery): Promise<Delivery> {
      return await send(infoType as InfoType, number, { url: target, body })
    },
    async close (): Promise<void> {
      closed = true
      scheduler.close()
      await poster.close(Promise.allSettled(underWay))
    }
  }
}

export type Pushes = ReturnType<typeof createPushes>
