/** The Official Account: token, ticket, quota and whitelist, as far as read-only calls show. */
import { createAccessToken } from '../official-account/access-token.ts'
import type { WechatToken } from '../official-account/access-token.ts'
import { createApi } from '../official-account/api.ts'
import { createOAuth } from '../official-account/oauth.ts'
import { WechatApiError } from '../errors.ts'
import { createEncryptedStore } from '../store/encrypted.ts'
import { accountKey } from '../store/key.ts'
import { createRedisStore } from '../store/redis.ts'
import { check, fails, passes, skips, UNUSED, warns } from './check.ts'
import type { CheckContext } from './context.ts'
import { hit } from './reach.ts'
import { ask } from './redis.ts'
import { fromError, ERROR_RESULTS } from './api-errors.ts'
import { isWechats } from './server.ts'

/** The doctor's own token, not the shared one: the doctor must not invalidate a token in use. Stable tokens are the same for all callers. */
const newToken = ({ options: { appId, appSecret, endpoints, http } }: CheckContext): WechatToken =>
  createAccessToken({ appId: appId as string, appSecret: appSecret as string, tokenMode: 'stable', ...(endpoints && { endpoints }), ...(http && { http }) })

const tokenOf = (context: CheckContext) => context.fact('token', async () => {
  const token = newToken(context)
  context.hide(await token.get())
  return token
})

/** Other checks only need a valid token. */
const TOKEN = { needs: ['account.token-alive'], online: true } as const

const hasAccount = ({ options: { appSecret } }: CheckContext) => appSecret !== undefined

/** A read-only call with exactly this token: no retry with a fresh one. */
async function isAlive (context: CheckContext, token: string): Promise<true | WechatApiError> {
  try {
    await createApi(context.http, context.endpoints.api).json({ path: '/cgi-bin/getcallbackip', query: { access_token: token } })
    return true
  } catch (error) {
    if (error instanceof WechatApiError && ['40001', '40014', '42001'].includes(String(error.wechatCode))) return error
    throw error
  }
}

// WeChat manages the tokens of the two calls separately: only force_refresh (or a new AppSecret) invalidates a stable one.
const FOREIGN = 'Another system fetches stable_token with force_refresh, which invalidates the tokens of all others. Find it and leave force_refresh out, or share one store.'
const FOREIGN_ZH = '另有系统用 force_refresh 获取 stable_token，会使其他系统的 token 失效。请找出它并去掉 force_refresh，或共用同一缓存。'

/** The calls with the critical quotas. */
const COUNTED = ['/cgi-bin/stable_token', '/cgi-bin/ticket/getticket']

export const accountChecks = [
  check('account.app-id', {
    needs: ['keys.app-id', 'keys.app-secret', 'server.tls'],
    online: true,
    messages: {
      unused: UNUSED,
      known: passes('WeChat knows the appId', '微信认识该 appId'),
      unknown: fails('WeChat does not know this appId', '微信不认识这个 appId', 'Copy it from mp.weixin.qq.com, Settings & Development, Basic configuration.', '请从公众平台「设置与开发 - 基本配置」复制。')
    },
    async run (context) {
      if (!hasAccount(context)) return 'unused'
      const problem = await tokenOf(context).then(() => undefined, (error: unknown) => error)
      return (problem as { wechatCode?: string } | undefined)?.wechatCode === '40013' ? fromError(problem, 'unknown') as { outcome: 'unknown' } : 'known'
    }
  }),

  check('account.token', {
    needs: ['account.app-id'],
    online: true,
    messages: {
      unused: UNUSED,
      ...ERROR_RESULTS,
      issued: passes('WeChat issues an access_token', '可以获取 access_token'),
      address: fails('this server\'s address {ip} is not on the IP whitelist', '本服务器的出口 IP {ip} 不在白名单中', 'Add {ip} to the IP whitelist (mp.weixin.qq.com, Settings & Development, Basic configuration).', '请把 {ip} 加入公众平台「设置与开发 - 基本配置」的 IP 白名单。'),
      secret: fails('appSecret is not this account\'s', 'appSecret 不正确', 'Resetting it invalidates the old one: copy the new one, or reset it in mp.weixin.qq.com, Settings & Development.', '重置后旧值失效，请使用最新的 AppSecret。'),
      frozen: fails('appSecret, or the account, is frozen', 'AppSecret 或账号已被冻结', 'Unfreeze it in mp.weixin.qq.com, Settings & Development, Basic configuration.', '请登录公众平台「设置与开发 - 基本配置」解冻。'),
      quota: fails('the daily token quota is used up', '当日获取 token 的次数已用完', 'A system fetches a token for each call: share one (option redis), then clear the quota in the console.', '有系统在频繁获取 token：请共用缓存（redis 选项），并在后台清零额度。')
    },
    async run (context) {
      if (!hasAccount(context)) return 'unused'
      try {
        await tokenOf(context)
        return 'issued'
      } catch (error) {
        const { wechatCode = '', wechatMessage = '' } = error as WechatApiError
        const ip = /invalid ip ([0-9a-f.:]{7,45})/i.exec(wechatMessage)?.[1]
        if (wechatCode === '40164' && ip) return { ...fromError(error, 'address'), values: { ip } }
        const outcome = ({ 40125: 'secret', 40243: 'frozen', 50002: 'frozen', 50004: 'frozen', 50007: 'frozen', 45009: 'quota' } as const)[wechatCode]
        return fromError(error, outcome)
      }
    }
  }),

  check('account.token-alive', {
    needs: ['account.token'],
    online: true,
    messages: {
      unused: UNUSED,
      ...ERROR_RESULTS,
      alive: passes('the token works, and a second request returns the same one', 'token 有效，再次获取仍是同一个'),
      dead: fails('the token was invalid immediately', 'token 刚获取就已失效', FOREIGN, FOREIGN_ZH),
      replaced: fails('a moment later WeChat issued a different token', '稍后再次获取，得到了另一个 token', FOREIGN, FOREIGN_ZH)
    },
    async run (context) {
      if (!hasAccount(context)) return 'unused'
      try {
        const token = await (await tokenOf(context)).get()
        const alive = await isAlive(context, token)
        if (alive !== true) return fromError(alive, 'dead')
        const again = await newToken(context).get()
        context.hide(again)
        return again === token ? 'alive' : 'replaced'
      } catch (error) {
        return fromError(error)
      }
    }
  }),

  check('account.token-mode', {
    messages: {
      unused: UNUSED,
      stable: passes('tokens are fetched as stable_token', '使用 stable_token'),
      plain: warns('tokenMode is plain: each fetch invalidates the tokens of other systems', 'tokenMode 为 plain：每次获取都会使其他系统的 token 失效', 'Leave tokenMode out, unless all systems of this account share one store.', '除非该公众号的所有系统共用同一缓存，否则请省略 tokenMode。')
    },
    run: ({ options: { appSecret, tokenMode } }) => appSecret === undefined ? 'unused' : tokenMode === 'plain' ? 'plain' : 'stable'
  }),

  check('account.shared-token', {
    needs: ['account.token', 'redis.reachable'],
    online: true,
    messages: {
      unused: UNUSED,
      ...ERROR_RESULTS,
      none: skips('there is no token in Redis yet', 'Redis 中还没有 token'),
      unreadable: fails('the token in Redis was not written with this encryptionKey', 'Redis 中的 token 不是用这个 encryptionKey 写入的', 'All processes need the same encryptionKey; different accounts need different databases or appIds.', '所有进程须使用相同的 encryptionKey。'),
      alive: passes('the shared token works', '各进程共用的 token 有效'),
      dead: fails('the shared token is invalid', '各进程共用的 token 已失效', FOREIGN, FOREIGN_ZH),
      deadPlain: fails('the shared token is invalid: another system fetches tokens from /cgi-bin/token', '各进程共用的 token 已失效：另有系统在调用 /cgi-bin/token', 'Each such fetch invalidates the previous token. Leave tokenMode out in both systems (stable_token), or share one store.', '每次调用都会使之前的失效。请两边都改用 stable_token（省略 tokenMode），或共用同一缓存。')
    },
    async run (context) {
      const { appId, redis, encryptionKey } = context.options
      if (!hasAccount(context) || !redis) return 'unused'
      const store = createRedisStore(redis)
      const key = accountKey(appId as string, 'access_token')
      const found = await (encryptionKey === undefined ? store : createEncryptedStore(store, encryptionKey)).read(key)
      if (!found?.value) return Number(await ask(context, 'return redis.call(\'PTTL\', KEYS[1])', key)) > 0 ? 'unreadable' : 'none'
      context.hide(found.value)
      try {
        const alive = await isAlive(context, found.value)
        return alive === true ? 'alive' : fromError(alive, context.options.tokenMode === 'plain' ? 'deadPlain' : 'dead')
      } catch (error) {
        return fromError(error)
      }
    }
  }),

  check('account.ticket', {
    ...TOKEN,
    messages: { unused: UNUSED, ...ERROR_RESULTS, issued: passes('WeChat issues a jsapi_ticket', '可以获取 jsapi_ticket') },
    async run (context) {
      if (!hasAccount(context)) return 'unused'
      try {
        context.hide(await (await tokenOf(context)).ticket())
        return 'issued'
      } catch (error) {
        return fromError(error)
      }
    }
  }),

  check('account.quota', {
    ...TOKEN,
    messages: {
      unused: UNUSED,
      ...ERROR_RESULTS,
      enough: passes('{remain} of {limit} calls of {path} are left today', '{path} 今日还可调用 {remain}/{limit} 次'),
      scarce: warns('only {remain} of {limit} calls of {path} are left today', '{path} 今日只剩 {remain}/{limit} 次', 'A system fetches too often: share one token and one ticket between all processes (option redis).', '有系统获取过于频繁：请让所有进程共用 token 与 ticket（redis 选项）。'),
      gone: fails('no calls of {path} are left today', '{path} 今日的调用次数已用完', 'Share one token and one ticket between all processes (option redis), and clear the quota in the console.', '请让所有进程共用 token 与 ticket（redis 选项），并在后台清零额度。'),
      unknown: skips('WeChat reports no quota for this account', '微信没有返回该账号的额度')
    },
    async run (context) {
      if (!hasAccount(context)) return 'unused'
      const token = await tokenOf(context)
      try {
        const quotas = await Promise.all(COUNTED.map(async path => {
          const { quota } = await token.request<{ quota?: { daily_limit?: number, remain?: number } }>('/cgi-bin/openapi/quota/get', { json: { cgi_path: path } })
          return { path, limit: Number(quota?.daily_limit ?? 0), remain: Number(quota?.remain ?? 0) }
        }))
        const [least] = quotas.filter(({ limit }) => limit > 0).sort((one, other) => one.remain / one.limit - other.remain / other.limit)
        if (!least) return 'unknown'
        return { outcome: least.remain <= 0 ? 'gone' : least.remain < least.limit / 10 ? 'scarce' : 'enough', values: least }
      } catch (error) {
        // 76022: this account cannot query the quota of that path.
        return (error as WechatApiError).wechatCode === '76022' || (error as WechatApiError).wechatCode === '48001' ? 'unknown' : fromError(error)
      }
    }
  }),

  check('account.addresses', {
    ...TOKEN,
    messages: {
      unused: UNUSED,
      ...ERROR_RESULTS,
      known: passes('WeChat listed the {count} addresses that its calls come from', '微信返回了 {count} 个回调出口 IP'),
      none: warns('WeChat did not list the addresses that its calls come from', '微信没有返回回调出口 IP', 'If your firewall uses an allowlist, add WeChat Pay\'s addresses, which are in its documentation.', '若防火墙只放行已知 IP，请按微信支付文档登记其回调 IP。')
    },
    async run (context) {
      if (!hasAccount(context)) return 'unused'
      try {
        const { ip_list: list } = await (await tokenOf(context)).request<{ ip_list?: unknown[] }>('/cgi-bin/getcallbackip')
        return Array.isArray(list) && list.length > 0 ? { outcome: 'known', values: { count: list.length } } : 'none'
      } catch (error) {
        return fromError(error)
      }
    }
  }),

  check('account.login-domain', {
    needs: ['account.app-id', 'server.origin'],
    online: true,
    messages: {
      unused: skips('origin is not set', '未提供 origin'),
      // Only visitors' browsers need to reach that page, not this server.
      lost: skips('this server cannot reach the authorize page ({problem})', '授权页对本服务器没有响应（{problem}）'),
      allowed: passes('the authorize page redirects visitors back to {host}', '授权页允许回跳到 {host}'),
      domain: fails('{host} is not the account\'s web-page authorization domain (10003)', '{host} 不是公众号的网页授权域名（10003）', 'Enter it in mp.weixin.qq.com, Settings & Development, Function settings (网页授权域名), without scheme and port.', '请在公众平台「设置与开发 - 功能设置」填写网页授权域名（不带协议和端口）。'),
      scope: fails('the account is not allowed to use this scope (10005)', '公众号没有该 scope 的权限（10005）', 'Only a verified service account has web-page authorization.', '只有已认证的服务号才有网页授权。'),
      appId: fails('the authorize page does not know this appId ({code})', '授权页不认识这个 appId（{code}）', 'Copy it from mp.weixin.qq.com, Settings & Development, Basic configuration.', '请从公众平台「设置与开发 - 基本配置」复制。'),
      unknown: skips('WeChat shows this only inside WeChat: open the page on a phone', '只有在微信内才看得出：请用手机打开页面确认')
    },
    async run (context) {
      const { options: { appId, appSecret, endpoints, http, origin, prefix = '/wechat' } } = context
      if (origin === undefined || !hasAccount(context)) return 'unused'
      const oauth = createOAuth({ appId: appId as string, appSecret: appSecret as string, ...(endpoints && { endpoints }) })
      // With this scope WeChat asks the visitor first: no code is issued.
      const url = new URL(oauth.authorizeUrl({ redirectUri: `${origin.replace(/\/+$/, '')}${prefix}/oauth/callback`, scope: 'snsapi_userinfo', state: 'doctor' }))
      url.hash = ''
      const page = await hit(url, { ca: http?.ca, headers: { 'user-agent': 'Mozilla/5.0 (Linux; Android 14) MicroMessenger/8.0.50', accept: 'text/html' } })
      if ('problem' in page) return { outcome: 'lost', values: { problem: page.problem } }
      const code = /(?:错误码|code)\D{0,12}(100(?:03|05|10|13|15))\b/.exec(page.body)?.[1]
      const { host } = new URL(origin)
      if (code === '10003') return { outcome: 'domain', values: { host }, wechatCode: code }
      if (code === '10005') return { outcome: 'scope', wechatCode: code }
      if (code !== undefined) return { outcome: 'appId', values: { code }, wechatCode: code }
      // The real page looks the same to everyone outside WeChat: it proves nothing.
      return isWechats(url) || page.status !== 200 ? 'unknown' : { outcome: 'allowed', values: { host } }
    }
  }),

  check('account.page-domain', {
    messages: { unknown: skips('no call returns the JS interface safe domain: look for config:ok in the page', '没有接口能查询 JS 接口安全域名：页面里出现 config:ok 即正确') },
    run: () => 'unknown'
  })
]
