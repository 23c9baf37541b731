/** The emulator's own interface: JSON under /_emulator. It plays the visitor and shows what WeChat knows. */
import { randomInt } from 'node:crypto'
import type { FastifyInstance, FastifyReply } from 'fastify'
import { createChance } from './chance.ts'
import type { Fault, FaultOdds, Faults } from './faults.ts'
import type { Mishap, MishapOdds, Mishaps } from './mishaps.ts'
import type { Notifier } from './notifier.ts'
import type { OfficialAccount } from './official-account.ts'
import type { Pki } from './pki.ts'
import type { PayV2 } from './v2/v2.ts'
import { pem } from './v3/keys.ts'
import type { PayV3 } from './v3/v3.ts'
import { scan } from './scan.ts'
import { bodyJson } from './wire.ts'
import { digits, userOf } from './world.ts'
import type { AuthCodeBehaviour, Order, Refund, World } from './world.ts'

export interface ControlParts {
  account: OfficialAccount
  pay: PayV2
  v3: PayV3
  notifier: Notifier
  faults: Faults
  mishaps: Mishaps
  pki: Pki
  /** Where the mutual TLS listener is, if there is one. */
  secureOrigin (): string | undefined
}

/** A bad day by chance: how likely each fault of a call and each mishap of a notification is, from 0 to 1. The same seed gives the same draws. */
export interface Chaos { seed: number, calls?: FaultOdds, notifications?: MishapOdds }

export function control (app: FastifyInstance, world: World, { account, pay, v3, notifier, faults, mishaps, pki, secureOrigin }: ControlParts): void {
  const { orders, refunds } = pay

  app.get('/_emulator/config', async request => {
    const { appId, appSecret, mchId, apiKey, apiV3Key } = world.account
    const { merchant, wechat } = pki.v3
    const here = `${request.protocol}://${request.host}${app.prefix}`
    const secure = secureOrigin() ?? here
    return {
      appId,
      appSecret,
      merchant: {
        mchId,
        v2: { apiKey, ...pki.merchant },
        v3: {
          serialNo: merchant.serial,
          privateKey: pem(merchant.key),
          apiV3Key,
          // An old merchant has no public key: its platform certificates are fetched.
          ...(world.keyMode !== 'certificate' && { publicKeyId: wechat.id, publicKey: pem(wechat.publicKey) })
        }
      },
      endpoints: { api: here, open: here, pay: secure, payBackup: secure },
      http: { ca: pki.ca }
    }
  })

  app.get('/_emulator/orders', async () => [...world.orders.values()].map(order => orders.find(order.out_trade_no, order.sub_mch_id)))

  type OrderRoute = { Params: { number: string }, Querystring: { sub_mch_id?: string } }
  const orderPath = '/_emulator/orders/:number'
  const missing = (reply: FastifyReply, code: string) => reply.code(404).send({ code, message: 'no such number' })

  /** Finds the order, or answers 404. */
  const withOrder = (reply: FastifyReply, { number, sub }: { number: string, sub: string | undefined }, act: (order: Order) => unknown) => {
    const order = orders.find(number, sub)
    return order ? act(order) : missing(reply, 'ORDERNOTEXIST')
  }

  app.get<OrderRoute>(orderPath, async (request, reply) => withOrder(reply, { number: request.params.number, sub: request.query.sub_mch_id }, order => order))

  app.post<OrderRoute>(`${orderPath}/pay`, async (request, reply) => withOrder(reply, { number: request.params.number, sub: request.query.sub_mch_id }, order => {
    if (!orders.pay(order, bodyJson(request)?.openid as string | undefined)) return reply.code(409).send({ code: order.trade_state === 'SUCCESS' ? 'ORDERPAID' : 'ORDERCLOSED', message: `the order is ${order.trade_state}` })
    notifier.paid(order)
    return order
  }))

  app.post<OrderRoute>(`${orderPath}/cancel`, async (request, reply) => withOrder(reply, { number: request.params.number, sub: request.query.sub_mch_id }, order => {
    orders.cancel(order)
    return order
  }))

  app.get('/_emulator/refunds', async () => [...world.refunds.values()])

  // A refund's end, sooner or other than it would come by itself: SUCCESS, REFUNDCLOSE or CHANGE.
  app.post<{ Params: { number: string } }>('/_emulator/refunds/:number/settle', async (request, reply) => {
    const refund = world.refunds.get(request.params.number)
    if (!refund) return missing(reply, 'REFUNDNOTEXIST')
    const { status = 'SUCCESS' } = bodyJson(request) ?? {}
    if (!['SUCCESS', 'REFUNDCLOSE', 'CHANGE'].includes(status as string)) return reply.code(400).send({ code: 'PARAM_ERROR', message: 'status must be SUCCESS, REFUNDCLOSE or CHANGE' })
    refunds.settle(refund, status as Exclude<Refund['refund_status'], 'PROCESSING'>)
    return refund
  })

  // The code that a payer shows at the till; `behaviour` says what happens when it is scanned.
  app.post('/_emulator/auth-codes', async (request, reply) => {
    const { openid, behaviour = 'pays' } = bodyJson(request) ?? {}
    if (!['pays', 'asks', 'poor', 'expired'].includes(behaviour as string)) return reply.code(400).send({ code: 'PARAM_ERROR', message: 'behaviour must be pays, asks, poor or expired' })
    const code = `1${randomInt(6)}${digits(16)}`
    world.authCodes.set(code, { user: userOf(world, openid as string | undefined), behaviour: behaviour as AuthCodeBehaviour, usedFor: '' })
    return { auth_code: code }
  })

  // A visitor scans a QR code: the order that it leads to.
  app.post('/_emulator/scan', async (request, reply) => {
    const { url = '', openid } = bodyJson(request) ?? {}
    const outcome = await scan(String(url), world, orders, openid as string | undefined)
    return typeof outcome === 'string' ? reply.code(409).send({ code: 'CANNOT_PAY', message: outcome }) : outcome
  })

  app.post('/_emulator/faults', async request => {
    faults.add(bodyJson(request) as unknown as Fault)
    return { ok: true }
  })
  // What happens to the next notifications, and what may happen to any of them.
  app.post('/_emulator/notifications/mishaps', async request => {
    mishaps.add(bodyJson(request) as unknown as Mishap)
    return { ok: true }
  })
  app.post('/_emulator/chaos', async request => {
    const { seed, calls = {}, notifications = {} } = bodyJson(request) as unknown as Chaos
    const chance = createChance(seed)
    faults.setLuck(calls, chance)
    mishaps.setLuck(notifications, chance)
    return { ok: true }
  })
  app.delete('/_emulator/faults', async () => {
    faults.clear()
    mishaps.clear()
    return { ok: true }
  })

  app.post<{ Params: { number: string } }>('/_emulator/combines/:number/pay', async (request, reply) => {
    const parts = v3.combined.partsOf(request.params.number)
    if (parts.length === 0) return missing(reply, 'ORDER_NOT_EXIST')
    return v3.combined.payCombined(request.params.number, bodyJson(request)?.openid as string | undefined) ? parts : reply.code(409).send({ code: 'ORDERPAID', message: 'the order cannot be paid' })
  })

  // The receiver of a transfer confirms it.
  app.post<{ Params: { number: string } }>('/_emulator/transfers/:number/confirm', async (request, reply) => {
    const bill = v3.payouts.confirm(request.params.number)
    if (!bill) return missing(reply, 'NOT_FOUND')
    const { out_bill_no: number, transfer_bill_no: id, state, openid, amount } = bill
    notifier.event(bill.notify_url, 'MCHTRANSFER.BILL.FINISHED', 'mch_payment', { out_bill_no: number, transfer_bill_no: id, state, mch_id: world.account.mchId, transfer_amount: amount, openid })
    return bill
  })

  // Which keys WeChat signs v3 with, and a new platform certificate.
  app.post('/_emulator/keys/mode', async (request, reply) => {
    const { mode } = bodyJson(request) ?? {}
    if (mode !== 'public-key' && mode !== 'certificate' && mode !== 'both') return reply.code(400).send({ code: 'PARAM_ERROR', message: 'mode must be public-key, certificate or both' })
    world.keyMode = mode
    return { mode }
  })
  app.post('/_emulator/keys/rotate', async () => ({ serial: pki.v3.rotate().serial }))

  // A notification with a signature that is false on purpose.
  app.post('/_emulator/probe', async request => await notifier.probe(String(bodyJson(request)?.url)))

  app.get('/_emulator/notifications', async () => world.deliveries)

  app.post<{ Params: { id: string } }>('/_emulator/notifications/:id/resend', async (request, reply) =>
    await notifier.resend(request.params.id) ?? reply.code(404).send({ code: 'NOT_FOUND', message: 'no such notification' }))

  app.get('/_emulator/tokens', async () => account.counts())

  app.post('/_emulator/tokens/expire', async request => {
    account.expire(bodyJson(request)?.tickets === true)
    return account.counts()
  })
}
