/** Control routes to inspect calls with their verdicts, the dashboard, and its live events. */
import { readdirSync, readFileSync } from 'node:fs'
import type { Faults } from '../faults/faults.ts'
import type { Journal } from './journal.ts'
import type { NotificationFaults } from '../faults/notification-faults.ts'
import type { OfficialAccount } from '../wechat/official-account.ts'
import type { LoginCode } from '../wechat/mini-program/login.ts'
import type { Shipped } from '../wechat/mini-program/shipping.ts'
import type { Message } from '../wechat/official-account-calls.ts'
import type { OpenPlatform } from '../wechat/open-platform/component.ts'
import type { PayV2 } from '../wechat/v2/v2.ts'
import type { PayV3 } from '../wechat/v3/v3.ts'
import type { State } from '../state/state.ts'
import { countRecords } from './records.ts'
import { listOf, schema, text } from './schemas.ts'
import type { Routes } from '../wechat/routes.ts'

export interface InspectParts { account: OfficialAccount, pay: PayV2, v3: PayV3, journal: Journal, faults: Faults, notificationFaults: NotificationFaults, names: string[], platform: OpenPlatform | undefined }

/** The dashboard's files; all of them are served. */
const STATIC = new URL('../control/static/', import.meta.url)
const TYPES: Record<string, string> = { js: 'text/javascript', css: 'text/css', html: 'text/html', json: 'application/json' }
const CALL = { tag: 'calls', params: { id: text('The call\'s id; or latest: the last call whose signature was refused.') }, refusals: [404] } as const
const NO_CALL = { code: 'NOT_FOUND', message: 'no such call' }
/** Milliseconds to collect changes before an event is sent. */
const GATHERED = 60
/** Milliseconds between keep-alive comments, so that proxies keep the connection open. */
const HEARTBEAT = 20_000
/** How many records of each kind it returns. */
const SHOWN = 200

export function inspectRoutes (app: Routes, state: State, { account, pay, v3, journal, faults, notificationFaults, names, platform }: InspectParts): void {
  app.get<{ Querystring: { after?: string } }>('/calls', { schema: schema({ tag: 'calls', summary: 'The last calls with their verdicts, newest first', query: { after: text('Only calls after this id.') }, answer: listOf('Calls, without their bodies.') }) }, async request => journal.list(request.query.after))

  app.get<{ Params: { id: string } }>('/calls/:id', { schema: schema({ ...CALL, summary: 'One call, with its request and answer', answer: 'The call.' }) }, async (request, reply) =>
    journal.find(request.params.id) ?? reply.code(404).send(NO_CALL))

  app.get<{ Params: { id: string } }>('/explain/:id', { schema: schema({ ...CALL, summary: 'Why a signature was refused: the expected text, the signed text, and the mistake', answer: 'The explanation.' }) }, async (request, reply) => {
    const call = journal.find(request.params.id)
    if (!call) return reply.code(404).send(NO_CALL)
    return call.explanation ?? reply.code(404).send({ code: 'NOT_FOUND', message: 'that call was not refused for its signature' })
  })

  app.get<{ Querystring: { brief?: boolean } }>('/state', {
    schema: schema({ tag: 'calls', summary: 'Account, clock, balance, counts and faults, and the last 200 orders, refunds, notifications and calls', query: { brief: { type: 'boolean', description: 'Without the orders, refunds, notifications and calls.' } }, answer: 'The state.' })
  }, async ({ query }) => ({
    appId: state.account.appId,
    mchId: state.account.mchId,
    names,
    now: new Date(state.now()).toISOString(),
    balance: state.balance,
    keyMode: state.keyMode,
    keySwitch: state.keySwitch,
    tokens: account.counts(),
    ...(platform && { openPlatform: platform.summary() }),
    counts: countRecords(state, journal),
    ...(!query.brief && {
      orders: [...state.orders.values()].slice(-SHOWN).map(order => pay.orders.find(order.out_trade_no, order.sub_mch_id)).reverse(),
      refunds: [...state.refunds.values()].slice(-SHOWN).reverse(),
      notifications: state.deliveries.slice(-SHOWN).reverse(),
      transfers: v3.transfers.list().slice(0, SHOWN),
      complaints: v3.complaints.list().slice(0, SHOWN),
      shares: pay.sharing.list().slice(0, SHOWN),
      serviceOrders: v3.payscore.list().slice(0, SHOWN),
      messages: state.memory.list<Message>('messages').slice(-SHOWN).reverse(),
      logins: [...state.memory.table<LoginCode>('jsCodes').values()].slice(-SHOWN).reverse(),
      shipped: [...state.memory.table<Shipped>('shipped').values()].slice(-SHOWN).reverse(),
      calls: journal.list().slice(0, SHOWN)
    }),
    faults: faults.waiting(),
    notificationFaults: notificationFaults.waiting(),
    chaos: { calls: faults.odds(), notifications: notificationFaults.odds() }
  }))

  const listeners = new Set<() => void>()
  let sendTimer: NodeJS.Timeout | undefined
  const onChange = () => {
    if (listeners.size > 0) sendTimer ??= setTimeout(sendChange, GATHERED)
  }
  function sendChange (): void {
    sendTimer = undefined
    for (const listener of listeners) listener()
  }
  state.events.on('change', onChange)

  // Only signals that something changed; the page then fetches the state.
  app.get('/events', async (request, reply) => {
    reply.hijack()
    reply.raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    reply.raw.write('data: hello\n\n')
    const listener = () => reply.raw.write('data: change\n\n')
    const heartbeat = setInterval(() => reply.raw.write(': here\n\n'), HEARTBEAT)
    listeners.add(listener)
    request.raw.once('close', () => {
      listeners.delete(listener)
      clearInterval(heartbeat)
    })
  })

  app.addHook('preClose', async () => {
    state.events.off('change', onChange)
    clearTimeout(sendTimer)
  })

  // No external or inline scripts: the page shows data from an app, which must not run.
  const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
  for (const name of readdirSync(STATIC)) {
    const type = TYPES[name.split('.').at(-1) as string]
    app.get(name === 'dashboard.html' ? '/dashboard' : `/${name}`, async (_request, reply) =>
      reply.type(`${type}; charset=utf-8`).header('cache-control', 'no-cache').header('content-security-policy', POLICY).send(readFileSync(new URL(name, STATIC))))
  }
}
