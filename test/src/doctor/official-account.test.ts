/** WeChat's refusals for an Official Account, one at a time, with codes and messages from public sources and WeChat's documentation. */
import t from 'tap'
import { accountKey } from '../../../src/store/key.ts'
import { createRedisStore } from '../../../src/index.ts'
import { healthy, nameLeadsTo, reportsOnly, spoilingProxy, findProblems } from '../../helpers/doctor.ts'
import { skip, startRedis } from '../../helpers/redis.ts'

t.test('refusals', async t => {
  const { emulator, options, settings, origin } = await healthy(t)
  const withFault = async (kind: string, path: string, times = 1) => {
    await emulator.clearFaults()
    await emulator.fault({ kind, path, times })
  }
  const TOKEN = '/cgi-bin/stable_token'

  await withFault('40164', TOKEN)
  await reportsOnly(t, 'an address that is not on the whitelist', { id: 'account.token', message: /203\.0\.113\.9/, wechatCode: '40164', requestId: /^[0-9a-f-]{26}$/ as never, advice: /^Add 203\.0\.113\.9 to/ as never }, options, settings)
  for (const [code, message] of [['40243', /frozen/], ['50002', /frozen/], ['50007', /frozen/], ['45009', /quota/], ['48001', /48001 api unauthorized/]] as const) {
    await withFault(code, TOKEN)
    await reportsOnly(t, `token ${code}`, { id: 'account.token', message, wechatCode: code }, options, settings)
  }
  await emulator.clearFaults()
  await reportsOnly(t, 'another secret', { id: 'account.token', message: /not this account's/, wechatCode: '40125' }, { ...options, appSecret: 'canaryanother000canaryanother000' }, settings)
  await reportsOnly(t, 'another appId', { id: 'account.app-id', wechatCode: '40013' }, { ...options, appId: 'wx0000000000000000' }, settings)

  await withFault('40001', '/cgi-bin/getcallbackip')
  await reportsOnly(t, 'a token that is invalid at once', { id: 'account.token-alive', message: /invalid immediately/, wechatCode: '40001', advice: /stable_token/ as never }, options, settings)
  await withFault('48001', '/cgi-bin/ticket/getticket')
  await reportsOnly(t, 'no ticket', { id: 'account.ticket', wechatCode: '48001' }, options, settings)
  await withFault('hang', '/cgi-bin/ticket/getticket', 2)
  await reportsOnly(t, 'no answer to the ticket call', { id: 'account.ticket', message: /TIMEOUT/ }, { ...options, http: { ...options.http, timeout: 2500 } }, settings)
  await withFault('html', TOKEN, 2)
  await reportsOnly(t, 'a page instead of a token', { id: 'account.token', message: /not JSON/ }, options, settings)
  await emulator.clearFaults()

  await reportsOnly(t, 'tokens of the older endpoint', { id: 'account.token-mode', status: 'warning' }, { ...options, tokenMode: 'plain' }, settings)
  nameLeadsTo(t, 'other.test', '127.0.0.1')
  await reportsOnly(t, 'a login domain that is not registered', { id: 'account.login-domain', message: /other\.test.*10003/, wechatCode: '10003' }, { ...options, origin: origin.replace('localhost', 'other.test') }, settings)
})

t.test('another system replaces the token', async t => {
  const { emulator, options, settings } = await healthy(t)
  let tokens = 0
  const api = await spoilingProxy(t, emulator.origin, {
    // Another system fetches a token between the doctor's two.
    request ({ url, body }) {
      if (url !== '/cgi-bin/stable_token' || ++tokens < 2) return undefined
      return { body: Buffer.from(JSON.stringify({ ...JSON.parse(body.toString()), force_refresh: true })) }
    }
  })
  await reportsOnly(t, 'a token that is replaced', { id: 'account.token-alive', message: /a different token/ }, { ...options, endpoints: { ...options.endpoints, api } }, settings)
})

t.test('information from WeChat', async t => {
  const { emulator, options, settings } = await healthy(t)
  const answering = async (path: string, answer: object) => ({
    ...options,
    endpoints: { ...options.endpoints, api: await spoilingProxy(t, emulator.origin, { request: ({ url }) => url.startsWith(path) ? { answer: { status: 200, body: JSON.stringify(answer) } } : undefined }) }
  })
  const quota = (remain: number) => ({ errcode: 0, errmsg: 'ok', quota: { daily_limit: 2000, used: 2000 - remain, remain } })
  await reportsOnly(t, 'a nearly used up quota', { id: 'account.quota', status: 'warning', message: /only 20 of 2000/ }, await answering('/cgi-bin/openapi/quota/get', quota(20)), settings)
  await reportsOnly(t, 'no quota left', { id: 'account.quota', message: /no calls of/ }, await answering('/cgi-bin/openapi/quota/get', quota(0)), settings)
  t.same(await findProblems(t, await answering('/cgi-bin/openapi/quota/get', { errcode: 76022, errmsg: 'could not use this cgi_path, no permission' }), settings), [], 'an account without permission is not a problem')
  await reportsOnly(t, 'no addresses', { id: 'account.addresses', status: 'warning' }, await answering('/cgi-bin/getcallbackip?access_token=98_', { ip_list: [] }), settings)
})

t.test('the shared token', { skip }, async t => {
  const { options, settings } = await healthy(t)
  const server = await startRedis(['--appendonly', 'yes', '--dir', t.testdir()])
  t.teardown(server.stop)
  const redis = server.client()
  const store = createRedisStore(redis)
  t.same(await findProblems(t, { ...options, redis }, settings), [])
  await store.set(accountKey(options.appId as string, 'access_token'), '98_somebody_else_has_replaced_this', 60_000)
  await reportsOnly(t, 'an invalid token', { id: 'account.shared-token', message: /shared token is invalid/, wechatCode: '40001' }, { ...options, redis }, settings)
  const found = await findProblems(t, { ...options, redis, tokenMode: 'plain' }, settings)
  t.match(found, [{ id: 'account.token-mode' }, { id: 'account.shared-token', message: /fetches tokens from \/cgi-bin\/token/ }])
  await reportsOnly(t, 'a token encrypted with another key', { id: 'account.shared-token', message: /encryptionKey/ }, { ...options, redis, encryptionKey: Buffer.alloc(32, 1) }, settings)
})
