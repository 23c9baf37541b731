/** The notify route's probe: only for the merchant, never handled as a notification, and no oracle. */
import Fastify from 'fastify'
import t from 'tap'
import { notify } from '../../../plugins/notify.ts'
import { createProbeAnswer, digestOf, PROBE_HEADER, PROBE_STATUS, readProbeAnswer, signProbe } from '../../../src/pay/notify-probe.ts'
import { ACCOUNT } from '../../helpers/account.ts'

const MERCHANT = ACCOUNT.merchant
const OTHER = { ...MERCHANT, v2: { apiKey: 'canaryother00000canaryother00000' } }

async function server (t: { teardown (end: () => unknown): unknown }) {
  const app = Fastify()
  const seen: unknown[] = []
  await app.register(notify, { ...ACCOUNT, onPayment: payment => { seen.push(payment) } })
  t.teardown(() => app.close())
  const post = async (body: Buffer, probe: string | string[] | undefined, headers = {}) => await app.inject({ method: 'POST', url: '/wechat/notify', payload: body, headers: { 'content-type': 'application/json', ...(probe !== undefined && { [PROBE_HEADER]: probe as string }), ...headers } })
  return { app, post, seen }
}

t.test('the answer is a refusal with a report of the request', async t => {
  const { post, seen } = await server(t)
  const body = Buffer.from('{"任意":"bytes"}')
  const probe = signProbe(MERCHANT, body)
  const reply = await post(body, probe, { 'x-more': 'secret of somebody' })
  t.equal(reply.statusCode, PROBE_STATUS)
  t.ok(PROBE_STATUS >= 400, 'WeChat would repeat it')
  const report = readProbeAnswer(MERCHANT, probe, reply.body)
  t.match(report, { digest: digestOf(body), length: body.length, ip: '127.0.0.1', protocol: 'http' })
  t.ok(report?.headers.includes('x-more'))
  t.notMatch(reply.body, /secret of somebody|a1B2c3D4/, 'header names, no values')
  const changed = await post(Buffer.from('other bytes'), probe)
  t.match(readProbeAnswer(MERCHANT, probe, changed.body), { digest: digestOf(Buffer.from('other bytes')), length: 11 }, 'changes in transit are reported')
  t.same(seen, [])
})

t.test('others get the usual refusal', async t => {
  const { post, seen } = await server(t)
  const body = Buffer.from('{}')
  const usual = await post(body, undefined)
  const right = signProbe(MERCHANT, body)
  const at = (seconds: number) => {
    const { now } = Date
    Date.now = () => now() + seconds * 1000
    try {
      return signProbe(MERCHANT, body)
    } finally {
      Date.now = now
    }
  }
  t.equal((await post(body, at(-290))).statusCode, PROBE_STATUS, 'five minutes either way are allowed')
  const [old, early] = [at(-302), at(302)]
  const forged = [signProbe(OTHER, body), old, early, right.slice(0, -1), `${right}0`, right.replace(/.$/, last => last === '0' ? '1' : '0'), '', 'x'.repeat(5000), right.split('.').slice(0, 2).join('.')]
  for (const probe of forged) {
    const reply = await post(body, probe)
    t.equal(reply.statusCode, usual.statusCode)
    t.equal(reply.body, usual.body)
  }
  t.same(seen, [])
})

t.test('a genuine notification is not a probe', async t => {
  const answer = createProbeAnswer(MERCHANT)
  t.equal(answer({ headers: { 'wechatpay-signature': 'x' }, body: Buffer.from('{}'), ip: '', protocol: 'https', host: '', socket: {} }), undefined)
})

t.test('an answer is only accepted from the merchant\'s server and for this probe', async t => {
  const { post } = await server(t)
  const body = Buffer.from('{}')
  const probe = signProbe(MERCHANT, body)
  const { body: answer } = await post(body, probe)
  t.ok(readProbeAnswer(MERCHANT, probe, answer))
  t.equal(readProbeAnswer(OTHER, probe, answer), undefined)
  t.equal(readProbeAnswer(MERCHANT, signProbe(MERCHANT, Buffer.from('another')), answer), undefined)
  t.equal(readProbeAnswer(MERCHANT, probe, answer.replace(/"length\\":\d+/, '"length\\":99')), undefined)
  t.equal(readProbeAnswer(MERCHANT, probe, '<html>'), undefined)
})

t.test('any of the merchant\'s keys works', async t => {
  const v3Key = 'canaryapiv3key00canaryapiv3key00'
  const both = { v2: MERCHANT.v2, v3: { apiV3Key: v3Key } }
  const answer = createProbeAnswer({ v3: { apiV3Key: v3Key } })
  const request = { body: Buffer.from('{}'), ip: '', protocol: 'https', host: '', socket: {} }
  const probe = signProbe(both, request.body)
  const reply = answer({ ...request, headers: { [PROBE_HEADER]: probe } })
  t.match(readProbeAnswer(both, probe, reply as string), { length: 2 })
})
