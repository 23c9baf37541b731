/** The commands for a running emulator, exec, and a quick shutdown. */
import { once } from 'node:events'
import { createServer, request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { createPay, signV2 } from '../../src/index.ts'
import { OPENID } from '../helpers/account.ts'
import { command } from '../helpers/command.ts'
import { xml } from '../helpers/notification.ts'

t.test('commands and exec find the emulator that uses the folder', async t => {
  const data = join(t.testdir({}), 'kept')
  const emulator = command(['--port', '0', '--data', data])
  t.teardown(emulator.stop)
  await emulator.waitFor(/wechat-emulator --help/)
  const origin = await emulator.waitFor(/WeChat emulator on (\S+)/)
  const app = createServer((_request, reply) => { reply.writeHead(204).end() }).listen(0, '127.0.0.1')
  t.teardown(() => app.close())
  await once(app, 'listening')
  const notifyUrl = `http://127.0.0.1:${(app.address() as AddressInfo).port}/notify`
  const config = await (await fetch(`${origin}/_emulator/config`)).json() as Parameters<typeof createPay>[0]
  const pay = createPay({ ...config, merchant: { ...config.merchant, notifyUrl } })
  const place = (outTradeNo: string) => pay.jsapi({ outTradeNo, description: 'x', amount: 6800, openid: OPENID })
  const does = async (...args: string[]) => (await command([...args, '--data', data]).output()).trim()

  const tail = command(['tail', '--data', data])
  t.teardown(tail.stop)
  await tail.waitFor(/waiting for calls/)
  await place('VERBS-001')
  await place('VERBS-002')
  t.equal(await does('health'), `up: ${origin}, version 0.1.0`)
  t.match(await does('pay', 'VERBS-001'), /^paid: VERBS-001, ¥68\.00, transaction_id 4200\d{24}$/)
  t.match(await does('refund', 'VERBS-001', '--amount', '800'), /^refunding: VERBS-001, ¥8\.00, out_refund_no console\d+$/)
  t.equal(await does('expire', 'VERBS-002'), 'expired: VERBS-002 is CLOSED')
  t.equal(await does('expire', '--tickets'), 'expired: every access_token and ticket')
  t.equal(await does('faults', '502', '--path', '/v3', '--times', '2'), 'calls of /v3…: 502, 2 more')
  t.equal(await does('faults', 'clear'), 'no faults')
  t.match(await does('trigger', 'payment', '--to', notifyUrl, '--number', 'VERBS-003'), 'payment of VERBS-003: accepted, HTTP 204')
  t.match(JSON.parse(await does('trigger', 'refund', '--to', notifyUrl, '--json')), { about: 'refund', accepted: true })
  const order = { appid: config.appId, mch_id: config.merchant.mchId, nonce_str: 'n', body: 'x' }
  const signature = signV2(order, config.merchant.v2?.apiKey as string, 'MD5').toLowerCase()
  await fetch(`${origin}/pay/unifiedorder`, { method: 'POST', body: xml({ ...order, sign: signature }) })
  const explanation = await does('explain', 'latest')
  t.match(explanation, new RegExp(`^v2, MD5[^]*signature received: ${signature}[^]*text to sign:\nappid=${config.appId}&body=x&mch_id=[^]*mistake: The signature is right, but in lower case`))
  t.equal(await does('explain'), explanation, 'the latest, if none is named')
  await tail.waitFor(/→ POST \/v3\/pay\/transactions\/jsapi 200 VERBS-001/)
  await tail.waitFor(/← notification payment VERBS-001, attempt 1: accepted, HTTP 204/)
  await tail.waitFor(/← notification payment VERBS-003, attempt 1: accepted, HTTP 204/)
  t.equal(tail.printed.out.match(/notification payment VERBS-001/g)?.length, 1, 'each once')

  const { mchId } = config.merchant
  const around = command(['exec', '--data', data, '--', 'sh', '-c', 'echo "$WECHAT_MCH_ID"'])
  t.equal(await around.output(), `${mchId}\n`)
  t.match(around.printed.err, `${origin}/_emulator/dashboard (already running)`)
  for (const [args, words] of [
    [['exec', '--data', data, '--seed', 's', '--', 'true'], /already running at \S+, and --seed only applies to a new one/],
    [['--data', data, '--port', '0'], /is in use by another emulator/],
    [['pay', 'NONE', '--data', data], /no such number/],
    [['pay', '--data', data], /pay needs one order/],
    [['explain', 'a', 'b', '--data', data], /explain takes one call/],
    [['explain', 'none', '--data', data], /no such call/],
    [['health', '--url', 'http://127.0.0.1:1'], /no emulator answers at http:\/\/127\.0\.0\.1:1/],
    [['pay', 'X', '--data', join(data, 'none')], /no emulator is running on/],
    [['health', '--data', data, '--account', 'third'], /has no account third/]
  ] as const) {
    const wrong = command(args)
    t.equal(await wrong.ended, 1)
    t.match(wrong.printed.err, words)
  }
  t.equal(await command(['--version']).output(), '0.1.0\n')

  // It exits at once, even with an open tunnel.
  const { hostname, port } = new URL(origin)
  const [, tunnel] = await once(httpRequest({ host: hostname, port, method: 'CONNECT', path: 'api.weixin.qq.com:443' }).end(), 'connect')
  tunnel.on('error', () => {}).resume()
  t.equal(await emulator.stop(), 0)
  t.equal(await tail.ended, 1, 'it ends with the emulator')
})

t.test('exec returns a killed command\'s exit code; a killed emulator\'s folder can be used again', async t => {
  const data = join(t.testdir({}), 'kept')
  const around = command(['exec', '--port', '0', '--data', data, '--', 'sh', '-c', 'kill -KILL $$'])
  t.equal(await around.ended, 137)
  const killed = command(['--port', '0', '--data', data])
  await killed.waitFor(/wechat-emulator --help/)
  killed.child.kill('SIGKILL')
  t.equal(await killed.ended, 'SIGKILL')
  const next = command(['--port', '0', '--data', data])
  t.teardown(next.stop)
  await next.waitFor(/wechat-emulator --help/)
})
