import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { Agent } from 'undici'
import { createHosts } from '../../../src/http/hosts.ts'
import { createHttp } from '../../../src/http/http.ts'
import type { HttpRequest } from '../../../src/http/http.ts'
import { FAULTS, fakeServer } from '../../helpers/fake-server.ts'
import { need } from '../../helpers/needs.ts'
import { freePort } from '../../helpers/redis.ts'
import { patience } from '../../helpers/patience.ts'

const call = (bases: string[], more: Partial<HttpRequest> = {}): HttpRequest =>
  ({ name: '/call', method: 'GET', bases, path: '/call', query: { secret: 'canary-secret' }, repeatable: true, ...more })

t.test('answers are returned unchanged', async t => {
  const server = await fakeServer((_seen, reply) => { reply.writeHead(404, { 'content-type': 'text/plain' }).end('x') })
  t.teardown(server.close)
  const reply = await createHttp()(call([server.origin], { method: 'POST', body: '{"a":1}', headers: { 'content-type': 'application/json' } }))
  t.match({ ...reply, body: reply.body.toString() }, { status: 404, headers: { 'content-type': 'text/plain' }, body: 'x' })
  t.match(server.seen, [{ method: 'POST', url: '/call?secret=canary-secret', body: '{"a":1}', headers: { 'content-type': 'application/json', 'user-agent': 'fastify-wechat-pay' } }])
  const plain = await createHttp({ dispatcher: new Agent() })({ name: 'x', method: 'GET', bases: [server.origin], path: '/x', repeatable: true })
  t.equal(plain.status, 404)
})

t.test('P11 bad answers are typed errors without secrets', async t => {
  const server = await fakeServer((_seen, reply) => { reply.end() })
  t.teardown(server.close)
  const expected: Record<string, object> = {
    'cut body': { code: 'WECHAT_NETWORK', outcome: 'unknown' },
    reset: { code: 'WECHAT_NETWORK', outcome: 'unknown', message: /unknown outcome/ },
    'HTTP 502': { code: 'WECHAT_NETWORK', outcome: 'unknown', reason: 'HTTP 502', advice: /same number/, adviceZh: /原单号/ },
    'a redirect': { code: 'WECHAT_REPLY' },
    compressed: { code: 'WECHAT_REPLY' },
    'too large': { code: 'WECHAT_REPLY', message: /too large/ }
  }
  for (const [name, error] of Object.entries(expected)) {
    server.become(FAULTS[name] as NonNullable<(typeof FAULTS)[string]>)
    const thrown = await createHttp({ retries: 0 })(call([server.origin])).catch((error: unknown) => error)
    t.match(thrown, error, name)
    t.notMatch(JSON.stringify(thrown) + String((thrown as Error).stack), /canary/)
  }
})

t.test('a server that never answers is given up after the timeout', async t => {
  const server = await fakeServer(() => {})
  t.teardown(server.close)
  await t.rejects(createHttp({ timeout: patience(100), retries: 1 })(call([server.origin])), { code: 'WECHAT_NETWORK', statusCode: 504, reason: 'TIMEOUT', outcome: 'unknown' })
  t.equal(server.seen.length, 2, 'and one repeat')
})

t.test('a call with an unknown outcome is only repeated if that is safe', async t => {
  const server = await fakeServer((_seen, reply) => { reply.destroy() })
  t.teardown(server.close)
  await t.rejects(createHttp({ retries: 3 })(call([server.origin], { repeatable: false })), { code: 'WECHAT_NETWORK', outcome: 'unknown' })
  t.equal(server.seen.length, 1)
})

t.test('a call that was certainly not sent goes to the backup host', async t => {
  const server = await fakeServer((_seen, reply) => { reply.end('here') })
  t.teardown(server.close)
  const nobody = `http://127.0.0.1:${await freePort()}`
  t.equal((await createHttp()(call([nobody, server.origin], { repeatable: false }))).body.toString(), 'here')
  await t.rejects(createHttp({ retries: 0 })(call([nobody])), { outcome: 'not_sent', reason: 'ECONNREFUSED', message: /nothing was sent/ })
})

t.test('a failed host is tried last for a while, and first again when it recovers', async t => {
  const hosts = createHosts()
  const [main, standBy] = ['https://main', 'https://stand-by']
  t.same(hosts.healthyFirst([main, standBy]), [main, standBy])
  hosts.failed(main)
  t.same(hosts.healthyFirst([main, standBy]), [standBy, main])
  hosts.failed(standBy)
  t.same(hosts.healthyFirst([main, standBy]), [main, standBy], 'both failing: configured order')
  hosts.answered(main)
  t.same(hosts.healthyFirst([standBy, main]), [main, standBy])
  const now = performance.now
  t.teardown(() => { performance.now = now })
  performance.now = () => now.call(performance) + 31_000
  t.same(hosts.healthyFirst([main, standBy]), [main, standBy], 'preferred again after half a minute')
})

t.test('while the main host is unavailable, calls go directly to the backup host', async t => {
  const standBy = await fakeServer((_seen, reply) => { reply.end('stand-by') })
  t.teardown(standBy.close)
  const main = await fakeServer((_seen, reply) => { reply.destroy() })
  t.teardown(main.close)
  const http = createHttp()
  for (let at = 0; at < 5; at++) t.equal((await http(call([main.origin, standBy.origin]))).body.toString(), 'stand-by')
  t.equal(main.seen.length, 1, 'tried once, not before each call')
})

const openssl = need('openssl')
t.test('P12 an untrusted certificate is refused, whatever the environment says', { skip: openssl.skip }, async t => {
  const dir = t.testdir()
  execFileSync(openssl.path, ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1', '-subj', '/CN=localhost', '-keyout', `${dir}/key`, '-out', `${dir}/cert`], { stdio: 'ignore' })
  const { readFileSync } = await import('node:fs')
  const server = createServer({ key: readFileSync(`${dir}/key`), cert: readFileSync(`${dir}/cert`) }, () => t.fail('the request was accepted')).listen(0)
  t.teardown(() => server.close())
  await once(server, 'listening')
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
  process.removeAllListeners('warning')
  t.teardown(() => { delete process.env.NODE_TLS_REJECT_UNAUTHORIZED })
  const { port } = server.address() as AddressInfo
  await t.rejects(createHttp()(call([`https://localhost:${port}`])), { code: 'WECHAT_NETWORK', outcome: 'not_sent', reason: 'DEPTH_ZERO_SELF_SIGNED_CERT', retryable: false })
})
