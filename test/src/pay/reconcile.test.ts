/** Order queries: rate, concurrency, and aborted runs. */
import t from 'tap'
import { WechatApiError } from '../../../src/errors.ts'
import type { UnpaidOrder } from '../../../src/pay/order.ts'
import { reconcileOrders } from '../../../src/pay/reconcile.ts'
import type { ReconcileParts, UnfinishedOrder } from '../../../src/pay/reconcile.ts'

const unpaid = (outTradeNo: string): UnpaidOrder => ({ outTradeNo, state: 'NOTPAY', appId: 'wx', mchId: '1', raw: {} })
const orders = (count: number): UnfinishedOrder[] => Array.from({ length: count }, (_none, at) => ({ outTradeNo: String(at) }))
const turn = () => new Promise(resolve => setImmediate(resolve))

/** Time only passes by sleeping; `late`: delay of each timer in milliseconds. */
function virtualClock (late = 0) {
  let now = 0
  return { now: () => now, async sleep (ms: number) { now += ms + late; await turn() } }
}

const parts = (more: Partial<ReconcileParts>): ReconcileParts => ({
  query: async ({ outTradeNo }) => unpaid(outTradeNo),
  close: async () => {},
  deliver: async () => {},
  clock: virtualClock(),
  rate: 10,
  signal: new AbortController().signal,
  ...more
})

for (const [rate, late] of [[20, 0], [20, 7], [100, 7], [1000, 3], [7, 0]] as const) {
  t.test(`${rate} per second, with timers ${late} ms late`, async t => {
    const clock = virtualClock(late)
    const startTimes: number[] = []
    const count = rate * 10
    await reconcileOrders(orders(count), parts({ clock, rate, query: async ({ outTradeNo }) => { startTimes.push(clock.now()); return unpaid(outTradeNo) } }))
    const perSecond = (count - 1) / (startTimes.at(-1)! / 1000)
    t.ok(Math.abs(perSecond / rate - 1) < 0.05, `${perSecond.toFixed(2)} per second`)
    const most = Math.max(...startTimes.map(from => startTimes.filter(at => at >= from && at < from + 1000).length))
    t.ok(most <= rate * 1.05 + 1, `never more than ${most} in a second`)
  })
}

for (const [rate, most] of [[5, 5], [0.5, 1], [20, 20], [1000, 64]] as const) {
  t.test(`${rate} per second and slow answers: ${most} at a time`, async t => {
    const waiting: Array<() => void> = []
    let peak = 0
    const running = reconcileOrders(orders(200), parts({
      rate,
      query: async ({ outTradeNo }) => {
        await new Promise<void>(resolve => { peak = Math.max(peak, waiting.push(resolve)) })
        return unpaid(outTradeNo)
      }
    }))
    // Answer one query whenever no more are started.
    for (let answers = 0; answers < 200; answers++) {
      for (let quiet = 0; quiet < 5 || waiting.length === 0; quiet++) await turn()
      waiting.shift()!()
    }
    t.equal(peak, most)
    t.match(await running, { orders: 200, open: 200 })
  })
}

t.test('counted on completion: the slow one last', async t => {
  let release: (() => void) | undefined
  const reported: number[] = []
  const running = reconcileOrders(orders(3), parts({
    query: async ({ outTradeNo }) => {
      if (outTradeNo === '0') await new Promise<void>(resolve => { release = resolve })
      return outTradeNo === '0' ? { ...unpaid(outTradeNo), state: 'CLOSED' } : unpaid(outTradeNo)
    },
    progress: ({ orders, open, ended }) => {
      reported.push(orders)
      t.equal(orders, open + ended)
      if (orders === 2) release!()
    }
  }))
  t.match(await running, { orders: 3, open: 2, ended: 1 })
  t.same(reported, [1, 2, 3])
})

t.test('rate limited by WeChat: ten slots without a query', async t => {
  const clock = virtualClock()
  const startTimes: number[] = []
  const report = await reconcileOrders(orders(5), parts({
    clock,
    query: async ({ outTradeNo }) => {
      startTimes.push(clock.now())
      if (outTradeNo === '1') throw new WechatApiError('too often', { statusCode: 503, retryable: true, wechatCode: 'FREQUENCY_LIMITED' })
      return unpaid(outTradeNo)
    }
  }))
  t.match(report, { orders: 5, open: 4, failed: 1, failures: [{ outTradeNo: '1', code: 'FREQUENCY_LIMITED' }] })
  t.same(startTimes, [0, 100, 1100, 1200, 1300])
})

t.test('an aborted run waits for its running queries', async t => {
  let done = 0
  const query = async ({ outTradeNo }: { outTradeNo: string }) => {
    for (let at = 0; at < 20; at++) await turn()
    done++
    return unpaid(outTradeNo)
  }
  async function * broken () { yield * orders(3); throw new Error('the database is away') }
  await t.rejects(reconcileOrders(broken(), parts({ query })), { message: 'the database is away' })
  t.equal(done, 3)

  await t.rejects(reconcileOrders(orders(50), parts({ query, progress: () => { throw new Error('no progress') } })), { message: 'no progress' })
  t.ok(done < 53, 'and starts no more')

  const ending = new AbortController()
  let left = false
  async function * endless () {
    try {
      for (const order of orders(1000)) {
        if (order.outTradeNo === '5') ending.abort()
        yield order
      }
    } finally { left = true }
  }
  done = 0
  t.match(await reconcileOrders(endless(), parts({ query, signal: ending.signal })), { orders: 5, open: 5 })
  t.equal(done, 5)
  t.ok(left, 'the database cursor is closed')
})
