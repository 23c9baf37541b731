/** Notifications to several processes with one Redis: none is handled twice or lost, whatever crashes. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import type { Test } from 'tap'
import { request } from 'undici'
import { appId, merchant, payment, signed } from '../helpers/notification.ts'
import type { NotifyWorkerOptions } from '../helpers/notify-worker.ts'
import { skip, startRedis } from '../helpers/redis.ts'
import { unwatched } from '../helpers/unwatched.ts'
import { until } from '../helpers/until.ts'

const SUCCESS = /<return_code><!\[CDATA\[SUCCESS\]\]>/
let number = 0
const fresh = () => `42000000002026112312${String(++number).padStart(8, '0')}`
const documentOf = (transactionId: string) => signed(payment({ transaction_id: transactionId }))

async function send (port: number, body: string): Promise<'success' | 'refused' | 'lost'> {
  try {
    const { body: answer } = await request(`http://127.0.0.1:${port}/wechat/notify`, { method: 'POST', headers: { 'content-type': 'text/xml', connection: 'close' }, body, signal: AbortSignal.timeout(60_000) })
    return SUCCESS.test(await answer.text()) ? 'success' : 'refused'
  } catch {
    return 'lost'
  }
}

t.test('several processes that receive notifications', { skip }, async t => {
  const [redis, books] = await Promise.all([startRedis(), startRedis()])
  t.teardown(redis.stop)
  t.teardown(books.stop)
  const book = books.client()
  const counted = async (what: 'begun' | 'succeeded', id: string) => Number(await book.get(`${what}:${id}`))

  async function worker (t: Test, more: Partial<NotifyWorkerOptions> = {}) {
    const options = { redisPort: redis.port, bookPort: books.port, takes: 50, options: { appId, merchant }, ...more }
    const child = spawn('env', unwatched(process.execPath, ['--import', 'tsx', 'test/helpers/notify-worker.ts', JSON.stringify(options)]), { cwd: new URL('../../', import.meta.url), stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    t.teardown(() => child.kill('SIGKILL'))
    const ended = once(child, 'close').then(([code]) => code as number | null)
    const port = await Promise.race([
      once(child, 'message').then(([message]) => (message as { port: number }).port),
      ended.then(code => { throw new Error(`the process did not start: it ended with ${code}`) })
    ])
    return { child, port, ended }
  }

  t.test('N1 200 concurrent deliveries to four processes are handled once and all acknowledged', async t => {
    const workers = await Promise.all([1, 2, 3, 4].map(() => worker(t)))
    const id = fresh()
    const answers = await Promise.all(Array.from({ length: 200 }, (_none, at) => send(workers[at % 4]!.port, documentOf(id))))
    t.same(new Set(answers), new Set(['success']))
    t.same([await counted('begun', id), await counted('succeeded', id)], [1, 1])
  })

  t.test('N4 kill -9 inside the handler: handled after redelivery', async t => {
    const [killed, other] = await Promise.all([worker(t, { dies: 'in handler' }), worker(t)])
    const id = fresh()
    t.equal(await send(killed.port, documentOf(id)), 'lost')
    await until(async () => await send(other.port, documentOf(id)) === 'success')
    t.same([await counted('begun', id), await counted('succeeded', id)], [2, 1])
    t.equal(await send(other.port, documentOf(id)), 'success')
    t.equal(await counted('succeeded', id), 1)
  })

  t.test('N4 kill -9 between handler and reply: acknowledged without running the handler again', async t => {
    const [killed, other] = await Promise.all([worker(t, { dies: 'before reply' }), worker(t)])
    const id = fresh()
    t.equal(await send(killed.port, documentOf(id)), 'lost')
    t.equal(await send(other.port, documentOf(id)), 'success')
    t.equal(await counted('succeeded', id), 1)
  })

  t.test('N8 SIGTERM during twenty handlers: each is acknowledged after success or refused, and the process exits', async t => {
    const { child, port, ended } = await worker(t, { takes: 700 })
    const ids = Array.from({ length: 20 }, fresh)
    const answers = ids.map(id => send(port, documentOf(id)))
    await until(async () => await counted('begun', ids[0]!) > 0)
    child.kill('SIGTERM')
    t.equal(await ended, 0)
    for (const [at, answer] of (await Promise.all(answers)).entries()) {
      if (answer === 'success') t.equal(await counted('succeeded', ids[at]!), 1, 'no SUCCESS for unfinished work')
      else t.pass(answer)
    }
    t.ok((await Promise.all(answers)).filter(answer => answer === 'success').length > 0)
  })

  t.test('N19 a handler that takes nine seconds, with duplicates to two processes: runs once, acknowledged afterwards', async t => {
    const workers = await Promise.all([worker(t, { takes: 9000 }), worker(t, { takes: 9000 })])
    const id = fresh()
    const answers: string[] = []
    for (let tries = 0; await counted('succeeded', id) === 0; tries++) {
      answers.push(await send(workers[tries % 2]!.port, documentOf(id)))
    }
    t.same(new Set(answers.slice(0, 1)), new Set(['refused']))
    for (const { port } of workers) t.equal(await send(port, documentOf(id)), 'success')
    t.same([await counted('begun', id), await counted('succeeded', id)], [1, 1])
  })

  t.test('N5 Redis goes away: no SUCCESS for unhandled notifications; with `process`, handling continues', async t => {
    const own = await startRedis()
    t.teardown(own.stop)
    const careful = await worker(t, { redisPort: own.port, takes: 600 })
    const other = await worker(t, { redisPort: own.port })
    const bold = await worker(t, { redisPort: own.port, takes: 10, options: { appId, merchant, storeAway: 'process' } })
    const [between, before] = [fresh(), fresh()]
    const running = send(careful.port, documentOf(between))
    await until(async () => await counted('begun', between) > 0)
    await own.kill()
    t.equal(await running, 'success', 'Redis failed during the handler: handled')
    t.equal(await counted('succeeded', between), 1)
    t.equal(await send(careful.port, documentOf(between)), 'success', 'and remembered in this process')
    t.equal(await counted('succeeded', between), 1)
    t.equal(await send(careful.port, documentOf(before)), 'refused', 'Redis failed before')
    t.equal(await counted('begun', before), 0)
    t.equal(await send(bold.port, documentOf(before)), 'success')
    t.equal(await send(bold.port, documentOf(before)), 'success')
    t.equal(await counted('succeeded', before), 1)
    await own.start()
    const written = own.client()
    await until(async () => (await written.keys('*')).length >= 2)
    for (const id of [between, before]) {
      t.equal(await send(other.port, documentOf(id)), 'success', 'N20 the process that handled it has recorded it in Redis')
      t.same([await counted('begun', id), await counted('succeeded', id)], [1, 1])
    }
    const after = fresh()
    await until(async () => await send(careful.port, documentOf(after)) === 'success')
    t.equal(await counted('succeeded', after), 1, 'Redis is back')
  })
})
