/** Published diagnostics of calls, tokens and notifications, and the examples for spans and metrics. */
import { tracingChannel } from 'node:diagnostics_channel'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import Fastify from 'fastify'
import { Registry } from 'prom-client'
import t from 'tap'
import { traceWechat } from '../../examples/observability/opentelemetry.ts'
import { measureWechat } from '../../examples/observability/prometheus.ts'
import { wechatPay } from '../../plugins/wechat-pay.ts'
import { traced } from '../../src/diagnostics.ts'
import { OPENID, testEmulator } from '../helpers/account.ts'
import { freePort } from '../helpers/redis.ts'

type Tap = Parameters<typeof testEmulator>[0]

/** Fetches a token, places an order, has it paid, and fails at one call and one notification. */
async function runScenario (t: Tap) {
  const emulator = await testEmulator(t)
  const app = Fastify()
  t.teardown(() => app.close())
  const port = await freePort()
  await app.register(wechatPay, {
    ...emulator.bothConfig,
    merchant: { ...emulator.bothConfig.merchant, notifyUrl: `http://127.0.0.1:${port}/wechat/notify` },
    onPayment: payment => { if (payment.attach === 'broken') throw Object.assign(new Error('no room'), { statusCode: 507 }) }
  })
  await app.listen({ port, host: '127.0.0.1' })
  await app.wechatToken.ticket()
  for (const [outTradeNo, attach] of [['OBS-001', 'fine'], ['OBS-002', 'broken']] as const) {
    await app.wechatPay.jsapi({ outTradeNo, description: 'x', amount: 1, openid: OPENID, attach })
    await emulator.pay(outTradeNo)
    await emulator.waitForNotification(({ out_trade_no: number }) => number === outTradeNo)
  }
  await app.wechatPay.query({ outTradeNo: 'none-such' }).catch(() => {})
  await emulator.fault({ kind: 'reset', path: '/v3/pay/transactions/out-trade-no', times: 1 })
  await app.wechatPay.query({ outTradeNo: 'OBS-001' })
  await emulator.fault({ kind: '502', path: '/v3', times: 9 })
  await app.wechatPay.query({ outTradeNo: 'OBS-001' }).catch(() => {})
  await app.inject({ method: 'POST', url: '/wechat/notify', headers: { 'content-type': 'text/xml' }, payload: '<xml></xml>' })
  return emulator
}

t.test('published events: names, counts, results; no secrets', async t => {
  const seen: Array<[string, Record<string, unknown>]> = []
  for (const name of ['call', 'token', 'notification']) {
    const { asyncEnd } = tracingChannel(`fastify-wechat-pay:${name}`)
    const onMessage = (message: unknown) => { seen.push([name, { ...message as object }]) }
    asyncEnd.subscribe(onMessage)
    t.teardown(() => asyncEnd.unsubscribe(onMessage))
  }
  const emulator = await runScenario(t)
  const of = (kind: string) => seen.filter(([name]) => name === kind).map(([, message]) => message)
  const { host } = new URL(emulator.bothConfig.endpoints.pay)
  t.match(of('token'), [{ name: 'access_token', forced: false, ttl: Number }, { name: /ticket/, forced: false, ttl: Number }])
  t.match(of('call'), [
    { method: 'POST', status: 200, attempts: 1 }, { method: 'GET', status: 200 },
    { method: 'POST', host, status: 200 }, { method: 'POST', host, status: 200 },
    { method: 'GET', status: 404, attempts: 1 },
    { method: 'GET', status: 200, attempts: 2 },
    { method: 'GET', attempts: 2, error: { code: 'WECHAT_NETWORK' } }
  ])
  t.match(of('notification')[0], { version: 'v3', kind: 'payment', outTradeNo: 'OBS-001' })
  t.equal(of('notification')[0]?.error, undefined)
  t.match(of('notification').find(({ outTradeNo }) => outTradeNo === 'OBS-002'), { error: { message: 'no room' } })
  t.match(of('notification').find(({ kind }) => !kind), { error: { statusCode: 401 } })
  const { appSecret, apiKey, apiV3Key } = emulator.account
  const published = JSON.stringify(seen)
  for (const secret of [appSecret, apiKey, apiV3Key, '98_']) t.notOk(published.includes(secret), 'E1')
})

t.test('OpenTelemetry spans: a token\'s call is its child', async t => {
  const exporter = new InMemorySpanExporter()
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
  const stop = traceWechat(provider.getTracer('test'))
  await runScenario(t)
  stop()
  const spans = exporter.getFinishedSpans()
  const tokens = spans.filter(({ name }) => name === 'wechat token')
  const calls = spans.filter(({ name }) => name === 'wechat call')
  t.equal(tokens.length, 2)
  t.equal(calls.length, 7)
  for (const token of tokens) t.ok(calls.some(({ parentSpanContext: parent }) => parent?.spanId === token.spanContext().spanId))
  t.match(calls.at(-1), { status: { code: 2 }, attributes: { 'wechat.attempts': 2 } })
  t.match(spans.find(({ name }) => name === 'wechat notification'), { attributes: { 'wechat.outTradeNo': 'OBS-001', 'wechat.kind': 'payment' } })
  const count = spans.length
  await runScenario(t)
  t.equal(exporter.getFinishedSpans().length, count, 'and none after it is stopped')
})

t.test('Prometheus metrics', async t => {
  const registry = new Registry()
  const stop = measureWechat(registry)
  await runScenario(t)
  stop()
  const text = await registry.metrics()
  t.match(text, /^wechat_tokens_fetched_total\{name="access_token",outcome="fetched"\} 1$/m)
  t.match(text, /^wechat_notifications_total\{version="v3",kind="payment",outcome="handled"\} 1$/m)
  t.match(text, /^wechat_notifications_total\{version="v3",kind="payment",outcome="refused 507"\} [1-9]/m)
  t.match(text, /^wechat_notifications_total\{version="unverified",kind="unknown",outcome="refused 401"\} 1$/m)
  t.match(text, /^wechat_call_seconds_count\{name="[^"]+",outcome="WECHAT_NETWORK"\} 1$/m)
  t.match(text, /^wechat_call_seconds_count\{name="\/v3\/pay\/transactions\/out-trade-no\/:number",outcome="404"\} 1$/m)
})

t.test('traced: events in the order of Node\'s TracingChannel', async t => {
  const channel = tracingChannel<unknown, { error?: unknown }>('test:traced')
  const events: string[] = []
  channel.subscribe(Object.fromEntries(['start', 'end', 'asyncStart', 'asyncEnd', 'error'].map(name => [name, () => { events.push(name) }])) as unknown as Parameters<typeof channel.subscribe>[0])
  t.equal(await traced(channel, {}, async () => 7), 7)
  await t.rejects(traced(channel, {}, async () => { throw new Error('x') }), { message: 'x' })
  t.same(events, ['start', 'end', 'asyncStart', 'asyncEnd', 'start', 'end', 'error', 'asyncStart', 'asyncEnd'])
})
