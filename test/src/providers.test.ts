/** tokenProvider and ticketProvider: a central token server instead of WeChat's calls. The lifecycle is unchanged. */
import t from 'tap'
import { createAccessToken } from '../../src/official-account/access-token.ts'
import type { TokenProvider } from '../../src/official-account/access-token.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import { ACCOUNT, testEmulator } from '../helpers/account.ts'

const { appId, appSecret } = ACCOUNT

t.test('a central token server: called once, shared, called again when WeChat refuses the token', async t => {
  const emulator = await testEmulator(t)
  // Only the central server has the secret.
  const central = createAccessToken({ ...emulator.config, store: createMemoryStore() })
  const forced: boolean[] = []
  const tokenProvider: TokenProvider = async ({ force }) => {
    forced.push(force)
    return { accessToken: await central.get(), expiresIn: central.status().expiresIn }
  }
  const { appSecret: _secret, ...rest } = emulator.config
  const store = createMemoryStore()
  const [one, other] = [createAccessToken({ ...rest, store, tokenProvider }), createAccessToken({ ...rest, store, tokenProvider })]
  await Promise.all(Array.from({ length: 100 }, (_, at) => (at % 2 ? one : other).request('/cgi-bin/getcallbackip')))
  t.same(forced, [false], 'two clients with one store: one call')
  await emulator.expireTokens()
  await central.invalidate(await central.get())
  t.ok(await one.request('/cgi-bin/getcallbackip'), 'after 40001 a new one is fetched')
  t.equal(forced.length, 2)
  t.match(await one.ticket(), /^[0-9a-f]{86}$/, 'tickets are fetched from WeChat with that token')
})

t.test('a provider that keeps returning an invalid token is called with force', async t => {
  const emulator = await testEmulator(t)
  const central = createAccessToken({ ...emulator.config, store: createMemoryStore() })
  let cached = { accessToken: await central.get(), expiresIn: 7000 }
  const forced: boolean[] = []
  const token = createAccessToken({
    ...emulator.config,
    async tokenProvider ({ force }) {
      forced.push(force)
      if (force) {
        await central.invalidate(cached.accessToken)
        cached = { accessToken: await central.get(), expiresIn: 7000 }
      }
      return cached
    }
  })
  await token.get()
  await emulator.expireTokens()
  t.ok(await token.request('/cgi-bin/getcallbackip'))
  t.same(forced, [false, false, true])
})

t.test('a ticket provider', async t => {
  const forced: object[] = []
  const token = createAccessToken({
    appId,
    appSecret,
    async ticketProvider (call) {
      forced.push(call)
      return { ticket: `ticket-for-${call.type}`, expiresIn: 7200 }
    }
  })
  t.equal(await token.ticket(), 'ticket-for-jsapi')
  t.equal(await token.ticket(), 'ticket-for-jsapi')
  t.equal(await token.ticket('wx_card'), 'ticket-for-wx_card')
  t.same(forced, [{ type: 'jsapi', force: false }, { type: 'wx_card', force: false }])
})

t.test('a provider that throws or returns an invalid value is a 503 without its message', async t => {
  const answers: Array<[() => unknown, RegExp]> = [
    [() => { throw new Error('canary: hunter2') }, /^tokenProvider failed$/],
    [() => undefined, /^tokenProvider returned nothing usable$/],
    [() => 'canary-token', /^tokenProvider returned nothing usable$/],
    [() => ({ accessToken: '', expiresIn: 7200 }), /no usable value/],
    [() => ({ accessToken: 'a token', expiresIn: 7200 }), /no usable value/],
    [() => ({ accessToken: 'canary-token', expiresIn: '7200' }), /invalid expires_in/],
    [() => ({ accessToken: 'canary-token', expiresIn: -1 }), /invalid expires_in/]
  ]
  for (const [answer, message] of answers) {
    const token = createAccessToken({ appId, tokenProvider: async () => answer() as never })
    await t.rejects(token.get(), { code: /^WECHAT_/, message } as never, String(message))
  }
})

t.test('options that are not functions', async t => {
  t.throws(() => createAccessToken({ appId, tokenProvider: 'x' as never }), { option: 'tokenProvider' } as never)
  t.throws(() => createAccessToken({ appId, appSecret, ticketProvider: {} as never }), { option: 'ticketProvider' } as never)
  t.throws(() => createAccessToken({ appId }), { option: 'appSecret' } as never)
})
