/** Tells the merchant about payments, again and again on WeChat's schedule until it is accepted. */
import type { FastifyBaseLogger } from 'fastify'
import { request } from 'undici'
import { paidFields } from './pay-v2.ts'
import { signed, v2Xml } from './wire.ts'
import type { Delivery, Order, World } from './world.ts'

const MINUTE = 60
/** Seconds from one attempt to the next. */
const SCHEDULE = [15, 15, 30, 3 * MINUTE, 10 * MINUTE, 20 * MINUTE, 30 * MINUTE, 30 * MINUTE, 30 * MINUTE, 60 * MINUTE, 180 * MINUTE, 180 * MINUTE, 180 * MINUTE, 360 * MINUTE, 360 * MINUTE]
/** Milliseconds the merchant has to answer. */
const PATIENCE = 5000

export function createNotifier (world: World, log: FastifyBaseLogger) {
  const timers = new Set<NodeJS.Timeout>()
  const underWay = new Set<Promise<void>>()
  let closed = false

  function message (order: Order): string {
    return v2Xml(signed(world, order.sign_type, {
      result_code: 'SUCCESS',
      out_trade_no: order.out_trade_no,
      ...(order.attach && { attach: order.attach }),
      ...(order.sign_type !== 'MD5' && { sign_type: order.sign_type }),
      ...paidFields(order)
    }))
  }

  async function attempt (order: Order, body: string, number: number): Promise<void> {
    const delivery: Delivery = {
      id: `n${world.deliveries.length + 1}`,
      out_trade_no: order.out_trade_no,
      attempt: number,
      url: order.notify_url,
      sent_at: new Date(world.now()).toISOString(),
      request: { headers: { 'content-type': 'text/xml', 'user-agent': 'Mozilla/4.0', pragma: 'no-cache' }, body },
      reply: null,
      error: null,
      accepted: false
    }
    world.deliveries.push(delivery)
    try {
      const reply = await request(delivery.url, { method: 'POST', headers: delivery.request.headers, body, signal: AbortSignal.timeout(PATIENCE) })
      delivery.reply = { status: reply.statusCode, body: (await reply.body.text()).slice(0, 2000) }
      delivery.accepted = reply.statusCode === 200 && /<return_code>(?:<!\[CDATA\[)?SUCCESS\b/.test(delivery.reply.body)
    } catch (error) {
      delivery.error = (error as Error).message
    }
    world.events.emit('delivery', delivery)
    log.debug({ out_trade_no: order.out_trade_no, attempt: number, accepted: delivery.accepted }, 'notification delivered')
    const delay = SCHEDULE[number - 1]
    if (!delivery.accepted && delay !== undefined) later(delay, () => start(order, body, number + 1))
  }

  function start (order: Order, body: string, number: number): void {
    if (closed) return
    const running = attempt(order, body, number).finally(() => underWay.delete(running))
    underWay.add(running)
  }

  function later (seconds: number, run: () => void): void {
    const timer = setTimeout(() => {
      timers.delete(timer)
      run()
    }, seconds * 1000 * world.timeScale)
    timer.unref()
    timers.add(timer)
  }

  return {
    notify: (order: Order) => start(order, message(order), 1),
    /** Sends once more what was sent before, byte for byte, outside the schedule. */
    async resend (id: string): Promise<Delivery | undefined> {
      const sent = world.deliveries.find(delivery => delivery.id === id)
      const order = sent && world.orders.get(sent.out_trade_no)
      if (!sent || !order) return undefined
      // Past the end of the schedule: a failure is not followed by another attempt.
      await attempt(order, sent.request.body, SCHEDULE.length + 1)
      return world.deliveries.at(-1)
    },
    async close (): Promise<void> {
      closed = true
      for (const timer of timers) clearTimeout(timer)
      await Promise.all(underWay)
    }
  }
}

export type Notifier = ReturnType<typeof createNotifier>
