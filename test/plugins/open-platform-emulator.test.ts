/** The open platform plugin against the emulator. */
import Fastify from 'fastify'
import t from 'tap'
import { wechatPay, openPlatform } from '../../plugins/wechat-pay.ts'
import { OPENID, testEmulator } from '../helpers/account.ts'

t.test('ticket, authorization by the owner, a login and a signed page on behalf of the account, withdrawal', async t => {
  // Slow enough that nothing is pushed or expires by itself.
  const emulator = await testEmulator(t, { timeScale: 1, component: true })
  const { openPlatformConfig, account: { appId } } = emulator
  const tokens = new Map<string, string>()
  const reasons: string[] = []
  const lines: string[] = []
  const app = Fastify({ logger: { level: 'trace', stream: { write: (line: string) => { lines.push(line) } } } })
  t.teardown(() => app.close())
  await app.register(openPlatform, {
    ...openPlatformConfig as NonNullable<typeof openPlatformConfig>,
    onAuthorized ({ appId, refreshToken, reason }) {
      tokens.set(appId, refreshToken)
      reasons.push(reason)
    },
    refreshTokenOf: id => tokens.get(id),
    onUnauthorized: id => { tokens.delete(id) }
  })
  await app.register(wechatPay, {
    prefix: '/s/:account',
    accounts: { find: id => tokens.has(id) ? app.wechatOpenPlatform.authorizer(id) : undefined },
    onLogin: (user, _request, reply) => reply.send({ openid: user.openid })
  })
  const origin = await app.listen({ port: 0, host: '127.0.0.1' })
  const pushed = (type: string) => emulator.waitForNotification(({ info_type: sent, accepted }) => sent === type && accepted)

  await emulator.setComponentUrl(`${origin}/wechat/open-platform/events`)
  await pushed('component_verify_ticket')
  t.match(await app.wechatOpenPlatform.token(), /./)
  await app.wechatOpenPlatform.startPushTicket()

  // The owner's browser, with Referer headers: each page is reached from the previous one.
  let cookie = ''
  async function browse (url: string, init: RequestInit = {}) {
    const own = url.startsWith(origin)
    const reply = await fetch(url, { redirect: 'manual', ...init, headers: { ...(own && cookie && { cookie }), referer: `${origin}/`, ...init.headers as Record<string, string> } })
    if (own) cookie = reply.headers.get('set-cookie')?.split(';')[0] ?? cookie
    return reply
  }
  const leaving = await browse(`${origin}/wechat/open-platform/authorize?returnTo=/done`)
  const page = await browse(leaving.headers.get('location') as string)
  const html = await page.text()
  t.match(html, /id="allow"/, html.slice(0, 300))
  const inputs = [...html.matchAll(/<input type="(\w+)" name="([^"]+)" value="([^"]*)"( checked)?/g)]
  const form = new URLSearchParams([...inputs.filter(([, type, , , checked]) => type === 'hidden' || checked).map(([, , name = '', value = '']): [string, string] => [name, value.replaceAll('&amp;', '&').replaceAll('&#38;', '&')]), ['action', 'allow']])
  const action = (/<form action="([^"]+)"/.exec(html)?.[1] as string).replace(/&amp;|&#38;/g, '&')
  const allowed = await browse(new URL(action, page.url).href, { method: 'POST', body: form })
  const back = String(allowed.headers.get('location'))
  t.match(back, new RegExp(`^${origin}/wechat/open-platform/callback\\?.*state=.*auth_code=`), await allowed.text())
  t.match(await browse(back), { status: 302 })
  await pushed('authorized')
  t.same([...tokens.keys()], [appId])
  t.same(reasons, ['authorized'], 'event and browser gave one authorization')

  const signed = await app.inject(`/s/${appId}/jssdk?url=http://localhost/`)
  t.match(signed, { statusCode: 200 }, signed.body)
  const login = await app.inject(`/s/${appId}/oauth/authorize`)
  const consent = String(login.headers.location).replace('/authorize?', '/authorize_reply?').replace('#wechat_redirect', '')
  const answer = await fetch(`${consent}&action=allow&user=${OPENID}`, { redirect: 'manual' })
  const callback = new URL(String(answer.headers.get('location')))
  t.equal(callback.searchParams.get('appid'), appId)
  const visitor = await app.inject({ url: callback.pathname + callback.search, cookies: { [login.cookies[0]?.name as string]: login.cookies[0]?.value as string } })
  t.match(visitor.json(), { openid: OPENID })

  const used = await app.wechatOpenPlatform.authorizer(appId).token.get()
  await app.wechatOpenPlatform.authorizer(appId).token.invalidate(used)
  t.not(await app.wechatOpenPlatform.authorizer(appId).token.get(), used, 'refreshed')
  await emulator.expireComponent({ component_access_token: true } as never).catch(() => {})
  t.match(await app.wechatOpenPlatform.request('/cgi-bin/component/api_get_authorizer_info', { json: { component_appid: openPlatformConfig?.componentAppId, authorizer_appid: appId } }), { authorization_info: { authorizer_appid: appId } })
  for await (const listed of app.wechatOpenPlatform.authorizers()) t.match({ appId: listed.appId, refreshToken: listed.refreshToken }, { appId, refreshToken: tokens.get(appId) })

  await emulator.unauthorize(appId)
  await pushed('unauthorized')
  t.equal(tokens.size, 0)
  t.equal((await app.inject(`/s/${appId}/jssdk?url=http://localhost/`)).statusCode, 404)
  await t.rejects(app.wechatOpenPlatform.authorizer(appId).token.get(), { code: 'WECHAT_UNAUTHORIZED' })
  const platformToken = await app.wechatOpenPlatform.token()
  for (let at = 0; at < 3; at++) await t.rejects(app.wechatOpenPlatform.authorizer(appId).login(`garbage${at}`), { code: 'WECHAT_API', wechatCode: '61003' })
  t.equal(await app.wechatOpenPlatform.token(), platformToken, 'an account that has withdrawn does not end the platform\'s token')
  const secrets = [openPlatformConfig?.componentAppSecret, openPlatformConfig?.token, openPlatformConfig?.encodingAesKey, used, 'refreshtoken@@@', 'ticket@@@', 'queryauthcode@@@', 'queryauthcode%40']
  for (const secret of secrets) t.notOk(lines.join('').includes(String(secret)), `the log contains no ${String(secret).slice(0, 16)}`)
})
