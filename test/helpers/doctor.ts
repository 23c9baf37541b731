/** A correct configuration on the emulator, a proxy that causes problems, and assertions about the doctor's result. */
import { generateKeyPairSync } from 'node:crypto'
import dns from 'node:dns'
import dnsPromises from 'node:dns/promises'
import { once } from 'node:events'
import { createServer, request as requestHttp } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { syncBuiltinESMExports } from 'node:module'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import Fastify from 'fastify'
import { issueCertificate, newKey } from '../../plugins/emulator/keys/x509.ts'
import type { Issuer } from '../../plugins/emulator/keys/x509.ts'
import { pem } from '../../plugins/emulator/keys/v3-keys.ts'
import type { CreateEmulatorOptions } from '../../plugins/emulator/server/emulator.ts'
import { notify } from '../../plugins/notify.ts'
import { diagnose } from '../../src/index.ts'
import type { Check, DiagnoseOptions, DiagnoseSettings } from '../../src/index.ts'
import { testEmulator } from './account.ts'

interface Test { teardown (end: () => unknown): unknown, fail (message: string): unknown }

const DAY = 86_400_000
const days = (count: number) => new Date(Date.now() + count * DAY)

/** Secrets that are easy to find in any output. */
export const SECRETS = { appSecret: 'canaryappsecret00canaryappsecret', apiKey: 'canaryapikey0000canaryapikey0000', apiV3Key: 'canaryapiv3key00canaryapiv3key00' }

export const rsaKey = (bits = 2048) => generateKeyPairSync('rsa', { modulusLength: bits }).privateKey

/** A merchant certificate for this key. */
export function merchantCertificate (key: Parameters<typeof issueCertificate>[0]['publicKey'], { name = '1900000109', from = -1, to = 365 } = {}): string {
  return issueCertificate({ subject: { commonName: name }, publicKey: key, issuer: { name: { commonName: 'Tenpay.com Root CA' }, key: newKey() }, notBefore: days(from), notAfter: days(to) })
}

/** A local server certificate with its root and intermediate CA. */
export function serverCertificate ({ to = 60, hosts = ['localhost', 'shop.test', 'other.test'] } = {}) {
  const [rootKey, linkKey, key] = [newKey(), newKey(), newKey()]
  const [root, link]: Issuer[] = [{ name: { commonName: 'Test Root' }, key: rootKey }, { name: { commonName: 'Test Link' }, key: linkKey }] as const
  const life = { notBefore: days(-30), notAfter: days(365) }
  return {
    key: pem(key),
    cert: issueCertificate({ subject: { commonName: 'localhost' }, publicKey: key, issuer: link as Issuer, notBefore: days(-30), notAfter: days(to), hosts }),
    link: issueCertificate({ subject: (link as Issuer).name, publicKey: linkKey, issuer: root as Issuer, authority: true, ...life }),
    ca: issueCertificate({ subject: (root as Issuer).name, publicKey: rootKey, issuer: root as Issuer, authority: true, ...life })
  }
}

const usualCertificate = serverCertificate()

/** Redirects DNS lookups of host names in this process. */
const names = new Map<string, Array<{ address: string, family: number }>>()
const { lookup } = dns
const { lookup: lookupLater } = dnsPromises
Object.assign(dns, {
  lookup (name: string, options: { all?: boolean }, done: (...results: unknown[]) => void) {
    const found = names.get(name)
    if (!found) return lookup(name, options as never, done as never)
    if (options.all) done(null, found)
    else done(null, found[0]?.address, found[0]?.family)
  }
})
Object.assign(dnsPromises, { lookup: async (name: string, options: object) => names.get(name) ?? await lookupLater(name, options as never) })
syncBuiltinESMExports()

export function nameLeadsTo (t: Test, name: string, ...addresses: string[]): void {
  names.set(name, addresses.map(address => ({ address, family: address.includes(':') ? 6 : 4 })))
  t.teardown(() => names.delete(name))
}
names.set('shop.test', [{ address: '127.0.0.1', family: 4 }])

export interface Change {
  request? (what: { url: string, headers: IncomingHttpHeaders, body: Buffer }): { url?: string, headers?: IncomingHttpHeaders, body?: Buffer, answer?: { status: number, body: string, headers?: Record<string, string> } } | undefined
  reply? (what: { url: string, status: number, headers: IncomingHttpHeaders, body: Buffer }): { headers?: IncomingHttpHeaders, body?: Buffer } | undefined
}

/** What a proxy that ends TLS tells the application. */
export const forwarded: NonNullable<Change['request']> = ({ headers }) => ({ headers: { ...headers, 'x-forwarded-proto': 'https' } })

/** A reverse proxy in front of `target` that can alter requests and answers. */
export async function spoilingProxy (t: Test, target: string, change: Change, tls?: { key: string, cert: string }): Promise<string> {
  const { hostname, port, host } = new URL(target)
  const handle = async (incoming: import('node:http').IncomingMessage, reply: import('node:http').ServerResponse) => {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    const whole = { url: incoming.url as string, headers: incoming.headers, body: Buffer.concat(chunks) }
    const changed = change.request?.(whole)
    if (changed?.answer) {
      reply.writeHead(changed.answer.status, changed.answer.headers).end(changed.answer.body)
      return
    }
    const { url, headers, body } = { ...whole, ...changed }
    const { 'transfer-encoding': _chunked, ...rest } = headers
    const upstream = requestHttp({ hostname, port, method: incoming.method, path: url, headers: { ...rest, host, ...(body.length > 0 && { 'content-length': String(body.length) }) }, agent: false }, async answer => {
      const parts: Buffer[] = []
      for await (const part of answer) parts.push(part as Buffer)
      const given = { url, status: answer.statusCode as number, headers: answer.headers, body: Buffer.concat(parts) }
      const { headers: { 'transfer-encoding': _parts, ...back }, body: bytes } = { ...given, ...change.reply?.(given) }
      reply.writeHead(given.status, { ...back, ...(given.status !== 204 && { 'content-length': bytes.length }) }).end(bytes)
    })
    upstream.on('error', () => reply.writeHead(502).end('<html>bad gateway</html>'))
    upstream.end(body)
  }
  const server = tls ? createSecureServer(tls, handle) : createServer(handle)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return `${tls ? 'https' : 'http'}://${tls ? 'localhost' : '127.0.0.1'}:${(server.address() as AddressInfo).port}`
}

export type Healthy = Awaited<ReturnType<typeof healthy>>

/** A correct setup: an emulator, the shop's server behind TLS, and matching options. */
export async function healthy (t: Test, emulated: CreateEmulatorOptions = {}, { trustProxy = false, preHandler = undefined as undefined | (() => Promise<void>) } = {}) {
  const emulator = await testEmulator(t, { ...SECRETS, mchId: '1900000109', keyMode: 'both', domains: ['shop.test'], ...emulated })
  const { merchant } = emulator.bothConfig
  const tls = usualCertificate
  const handlers = { onLogin: () => {}, onPayment: (_payment: unknown, _context: unknown) => {}, onRefund: () => {}, expected: () => undefined, order: () => { throw new Error('none') }, unfinished: () => [] }
  const app = Fastify({ https: { key: tls.key, cert: tls.cert + tls.link }, trustProxy })
  await app.register(notify, { ...emulator.bothConfig, onPayment: handlers.onPayment, ...(preHandler && { preHandler }) } as never)
  t.teardown(() => app.close())
  const plain = Fastify({ trustProxy })
  await plain.register(notify, { ...emulator.bothConfig, onPayment: handlers.onPayment })
  t.teardown(() => plain.close())
  const inner = await plain.listen({ port: 0, host: '127.0.0.1' })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const origin = `https://localhost:${(app.server.address() as AddressInfo).port}`
  const options: DiagnoseOptions & { merchant: NonNullable<DiagnoseOptions['merchant']> } = {
    ...emulator.bothConfig,
    merchant: { ...merchant, notifyUrl: `${origin}/wechat/notify`, v3: { ...merchant.v3, certificate: merchant.v2.cert } },
    origin,
    ...handlers
  }
  const settings: DiagnoseSettings = { ca: tls.ca, shutdownTime: 8000, env: {} }
  return { emulator, options, settings, tls, app, inner, origin }
}

export interface Wrong { id: string, status: 'failed' | 'warning', message: string, advice?: string | undefined, wechatCode?: string | undefined, requestId?: string | undefined }

/** Failed and warning checks, in both languages; asserts that the output has no secrets, empty placeholders or crashed checks. */
export async function findProblems (t: Test, options: DiagnoseOptions, settings: DiagnoseSettings = {}, isLatencyTested = false): Promise<Wrong[]> {
  const { ok, checks } = await diagnose(options, settings)
  const { checks: chinese } = await diagnose(options, { ...settings, offline: true, lang: 'zh' })
  for (const check of [...checks, ...chinese]) complain(t, check)
  const wrong = checks.filter(({ status }) => status === 'failed' || status === 'warning') as Wrong[]
  if (ok !== wrong.every(({ status }) => status === 'warning')) t.fail('ok does not fit the checks')
  // On a busy machine a real Redis takes longer than the doctor allows.
  return isLatencyTested ? wrong : wrong.filter(({ id }) => id !== 'redis.latency')
}

function complain (t: Test, check: Check): void {
  const text = inspect(check)
  if (/canary|emulator[0-9A-Za-z]{24}|PRIVATE KEY/.test(text)) t.fail(`a secret in ${text}`)
  if (/\{\w+\}|undefined|\[object/.test(check.message + (check.advice ?? ''))) t.fail(`an empty placeholder in ${text}`)
  if (/the check itself/.test(check.message)) t.fail(`an exception in ${text}`)
}

/** Asserts that exactly this problem is reported. */
export async function reportsOnly (t: Test & { equal (found: unknown, wanted: unknown, message: string): unknown, match (found: unknown, wanted: object, message: string): unknown, same (found: unknown, wanted: unknown, message: string): unknown }, what: string, wanted: Omit<Partial<Wrong>, 'message'> & { id: string, message?: RegExp }, options: DiagnoseOptions, settings: DiagnoseSettings): Promise<void> {
  const found = await findProblems(t, options, settings, wanted.id === 'redis.latency')
  t.same(found.map(({ id }) => id), [wanted.id], `${what}: ${found.map(({ id, message }) => `${id} (${message})`).join(', ')}`)
  const { message, ...rest } = wanted
  t.match(found[0] ?? {}, { status: 'failed', advice: /./, ...rest, ...(message && { message }) }, what)
}
