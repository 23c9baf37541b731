/** From this server to WeChat: names, connections, TLS, proxies, and the clock. */
import { WechatNetworkError } from '../errors.ts'
import { resolveEndpoints } from '../options.ts'
import { check, fails, passes, skips, UNUSED, warns } from './check.ts'
import type { CheckContext } from './context.ts'
import { addressesOf, connectionProblem, tlsView } from './reach.ts'

const REAL = resolveEndpoints()
/** The hosts of the real WeChat. */
const WECHAT_HOSTS = new Set(Object.values(REAL).map(base => new URL(base).host))
export const isWechats = (url: URL) => WECHAT_HOSTS.has(url.host)

/** The WeChat hosts that these options use; the backup host is optional. */
function hostsOf ({ options: { appSecret, merchant }, endpoints }: CheckContext): Array<{ url: URL, isStandBy: boolean }> {
  const bases = [...(appSecret ? [endpoints.api] : []), ...(merchant ? [endpoints.pay, endpoints.payBackup] : [])]
  const seen = new Set<string>()
  return bases.map((base, at) => ({ url: new URL(base), isStandBy: base === endpoints.payBackup && base !== endpoints.pay && at > 0 }))
    .filter(({ url: { host } }) => !seen.has(host) && seen.add(host))
}

/** Through the application's own dispatcher or a proxy: what is behind it cannot be checked from here. */
const hasCustomRoute = ({ options: { http } }: CheckContext): boolean => http?.dispatcher !== undefined || http?.proxy !== undefined

const AROUND = skips('calls go through http.proxy or http.dispatcher: what is behind it cannot be checked from here', '请求经由 http.proxy 或 http.dispatcher，无法从这里查看其后的情况')

const PROXY_NAMES = ['HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'all_proxy'] as const

/** Whether the environment's proxy applies to this host. */
function isProxied ({ hostname }: URL, noProxy = ''): boolean {
  return !noProxy.split(/[\s,]+/).filter(Boolean).some(entry => entry === '*' || `.${hostname}`.endsWith(`.${entry.replace(/^\*?\.|:\d+$/g, '')}`))
}

/** WeChat's answer to a call without credentials: a refusal with WeChat's Date, and headers that proxies added. */
async function refusal (context: CheckContext): Promise<Readonly<Record<string, string>>> {
  const { options: { merchant }, endpoints, http } = context
  return await context.fact('refusal', async () => {
    const [base, path] = merchant ? [endpoints.pay, '/v3/certificates'] : [endpoints.api, '/cgi-bin/getcallbackip']
    const { headers } = await http({ name: path, method: 'GET', bases: [base], path, repeatable: true, headers: { accept: 'application/json' } })
    return headers
  })
}

/** Seconds: APIv3's limit in either direction, and the threshold for a warning. */
const WINDOW = 300
const ODD = 30

export const serverChecks = [
  check('server.endpoints', {
    messages: {
      wechat: passes('calls go to WeChat itself', '请求发往真实微信'),
      own: passes('calls go to your own endpoints', '请求发往自定义 endpoints'),
      malformed: fails('endpoints has a value that is not an absolute http(s) base URL', 'endpoints 中有不合法的地址', 'Remove endpoints in production; the emulator prints its own.', '生产环境请省略 endpoints；模拟器会给出自己的地址。'),
      production: fails('NODE_ENV is production, but endpoints.{name} points to {host}', 'NODE_ENV 为 production，但 endpoints.{name} 指向 {host}', 'Remove endpoints in production.', '生产环境请省略 endpoints。')
    },
    run ({ endpoints, endpointsProblem, env }) {
      if (endpointsProblem) return 'malformed'
      const own = Object.entries(endpoints).find(([, base]) => !isWechats(new URL(base)))
      if (!own) return 'wechat'
      return env.NODE_ENV === 'production' ? { outcome: 'production', values: { name: own[0], host: new URL(own[1]).host } } : 'own'
    }
  }),

  check('server.tls-verification', {
    messages: {
      on: passes('certificates are verified in this process', '本进程会校验证书'),
      off: warns('NODE_TLS_REJECT_UNAUTHORIZED=0: this process does not verify other connections', 'NODE_TLS_REJECT_UNAUTHORIZED=0：本进程的其他 HTTPS 请求不校验证书', 'Remove it, and set the authority you need as http.ca or in NODE_EXTRA_CA_CERTS. Calls to WeChat are still verified.', '请去掉它，改用 http.ca 或 NODE_EXTRA_CA_CERTS 提供所需的 CA；对微信的请求不受它影响，始终校验。')
    },
    run: ({ env }) => env.NODE_TLS_REJECT_UNAUTHORIZED === '0' ? 'off' : 'on'
  }),

  check('server.proxy', {
    needs: ['server.endpoints'],
    messages: {
      none: passes('no proxy is configured', '未设置代理'),
      own: passes('calls go through http.dispatcher', '请求经由 http.dispatcher'),
      unused: warns('{name} is set, but calls to WeChat go out directly', '设置了 {name}，但对微信的请求仍直接发出', 'If this machine reaches the internet only through the proxy, set http.proxy; otherwise add WeChat\'s hosts to NO_PROXY.', '若本机只能经代理出网，请设置 http.proxy；否则请把微信域名写入 NO_PROXY。')
    },
    run (context) {
      if (hasCustomRoute(context)) return 'own'
      const { env } = context
      const name = PROXY_NAMES.find(name => env[name])
      const meant = name && hostsOf(context).some(({ url }) => isProxied(url, env.NO_PROXY ?? env.no_proxy))
      return meant ? { outcome: 'unused', values: { name } } : 'none'
    }
  }),

  check('server.dns', {
    needs: ['server.endpoints'],
    online: true,
    messages: {
      unused: UNUSED,
      around: AROUND,
      found: passes('{count} WeChat host names resolve', '{count} 个微信域名解析正常'),
      lost: fails('{host} does not resolve ({problem})', '{host} 无法解析（{problem}）', 'Check this machine\'s resolver (/etc/resolv.conf, the container\'s DNS).', '请检查本机 DNS（/etc/resolv.conf 或容器的 DNS 设置）。')
    },
    async run (context) {
      if (hasCustomRoute(context)) return 'around'
      const hosts = hostsOf(context)
      if (hosts.length === 0) return 'unused'
      const found = await Promise.all(hosts.map(async ({ url }) => ({ url, view: await addressesOf(url) })))
      for (const { url, view } of found) if ('problem' in view) return { outcome: 'lost', values: { host: url.hostname, problem: view.problem } }
      return { outcome: 'found', values: { count: found.length } }
    }
  }),

  check('server.connect', {
    needs: ['server.dns'],
    online: true,
    messages: {
      unused: UNUSED,
      around: AROUND,
      open: passes('{count} WeChat hosts can be reached', '{count} 个微信域名可以连通'),
      closed: fails('{host} cannot be reached ({problem})', '{host} 无法连通（{problem}）', 'Check the firewall and the network: port 443 of api.weixin.qq.com and api.mch.weixin.qq.com must be reachable.', '请检查防火墙与出网策略：须放行 api.weixin.qq.com 与 api.mch.weixin.qq.com 的 443 端口。'),
      standBy: warns('WeChat Pay\'s backup host {host} cannot be reached ({problem})', '备用域名 {host} 无法连通（{problem}）', 'Open port 443 to it, too: calls go there if the first host does not answer.', '请一并放行其 443 端口：主域名无响应时会切换过去。')
    },
    async run (context) {
      if (hasCustomRoute(context)) return 'around'
      const hosts = hostsOf(context)
      if (hosts.length === 0) return 'unused'
      const tried = await Promise.all(hosts.map(async host => ({ ...host, problem: await connectionProblem(host.url) })))
      const closed = tried.find(({ problem, isStandBy }) => problem && !isStandBy) ?? tried.find(({ problem }) => problem)
      if (!closed) return { outcome: 'open', values: { count: tried.length } }
      return { outcome: closed.isStandBy ? 'standBy' : 'closed', values: { host: closed.url.host, problem: closed.problem as string } }
    }
  }),

  check('server.address-families', {
    needs: ['server.connect'],
    online: true,
    messages: {
      unused: UNUSED,
      around: AROUND,
      one: passes('all names have addresses of one family only', '域名只有一类地址'),
      both: passes('WeChat can be reached over IPv4 and IPv6', 'IPv4 与 IPv6 都可到达微信'),
      broken: warns('{host} has an IPv{family} address, but cannot be reached there ({problem})', '{host} 有 IPv{family} 地址，但无法连通（{problem}）', 'This delays every new connection. Fix or disable IPv{family} on this machine. Keep the IP whitelist in mind: WeChat sees the address that the connection actually uses.', '每次新建连接都会因此变慢。请修复或关闭本机的 IPv{family}；同时注意白名单：微信看到的是实际使用的地址。')
    },
    async run (context) {
      if (hasCustomRoute(context)) return 'around'
      const hosts = hostsOf(context)
      if (hosts.length === 0) return 'unused'
      let outcome: 'one' | 'both' = 'one'
      for (const { url } of hosts) {
        const view = await addressesOf(url)
        const addresses = 'addresses' in view ? view.addresses : []
        const families = [4, 6].map(wanted => addresses.find(({ family }) => family === wanted)).filter(one => one !== undefined)
        if (families.length < 2) continue
        outcome = 'both'
        const problems = await Promise.all(families.map(async ({ address, family }) => ({ family, problem: await connectionProblem(url, address) })))
        const broken = problems.find(({ problem }) => problem !== undefined)
        if (broken) return { outcome: 'broken', values: { host: url.host, family: broken.family, problem: broken.problem as string } }
      }
      return outcome
    }
  }),

  check('server.tls', {
    needs: ['server.connect'],
    online: true,
    messages: {
      unused: skips('no endpoint is https', '没有 https 的 endpoint'),
      around: AROUND,
      genuine: passes('certificates are valid, issued by {issuer}', '证书校验通过，签发机构：{issuer}'),
      opened: warns('{host} presents a certificate of {issuer}, which is not a public authority: something intercepts the connection', '{host} 出示的证书由 {issuer} 签发，并非公共 CA：中间有设备在解密流量', 'A company proxy can read and change what you send to WeChat. Exclude WeChat\'s hosts from interception.', '公司代理可以读取甚至改动发往微信的内容，请将微信域名加入其例外名单。'),
      untrusted: fails('{host} presents a certificate that is not trusted ({problem}), issued by {issuer}', '{host} 的证书不受信任（{problem}），签发者：{issuer}', 'If {issuer} is your company\'s proxy, exclude WeChat\'s hosts from interception, or set its authority as http.ca. Otherwise someone is intercepting the connection.', '若 {issuer} 是公司代理：请将微信域名加入例外，或把其 CA 填入 http.ca；否则可能有人劫持连接。'),
      broken: fails('no TLS connection to {host} ({problem})', '无法与 {host} 建立 TLS 连接（{problem}）', 'Check for a firewall that inspects TLS, or a proxy that uses plain HTTP on this port.', '可能是防火墙拦截了 TLS，或该端口上是明文 HTTP 代理。')
    },
    async run (context) {
      if (hasCustomRoute(context)) return 'around'
      const hosts = hostsOf(context).filter(({ url, isStandBy }) => url.protocol === 'https:' && !isStandBy)
      if (hosts.length === 0) return 'unused'
      const views = await Promise.all(hosts.map(async ({ url }) => ({ url, view: await tlsView(url, context.options.http?.ca) })))
      for (const { url, view: { problem, issuer } } of views) {
        if (problem) return { outcome: issuer === '' ? 'broken' : 'untrusted', values: { host: url.host, problem, issuer } }
      }
      const opened = views.find(({ url, view }) => isWechats(url) && !view.isPublic)
      const issuer = [...new Set(views.map(({ view }) => view.issuer))].join('; ')
      return opened ? { outcome: 'opened', values: { host: opened.url.host, issuer: opened.view.issuer } } : { outcome: 'genuine', values: { issuer } }
    }
  }),

  check('server.clock', {
    needs: ['server.tls'],
    online: true,
    messages: {
      unused: UNUSED,
      right: passes('this machine\'s clock and WeChat\'s differ by {seconds} s', '本机与微信的时间相差 {seconds} 秒'),
      wrong: fails('this machine\'s clock is {seconds} s {way} WeChat\'s; APIv3 allows 300', '本机时间比微信{way} {seconds} 秒，APIv3 只允许相差 300 秒', 'Synchronize it with NTP (timedatectl set-ntp true); a container uses its host\'s clock.', '请启用 NTP 校时（timedatectl set-ntp true）；容器使用宿主机的时间。'),
      odd: warns('this machine\'s clock is {seconds} s {way} WeChat\'s', '本机时间比微信{way} {seconds} 秒', 'Synchronize it with NTP (timedatectl set-ntp true) before the difference grows.', '请启用 NTP 校时（timedatectl set-ntp true），以免继续偏离。'),
      silent: skips('the answer has no Date', '回复中没有 Date 头'),
      lost: fails('no usable answer to a call without credentials ({problem})', '不带凭证的请求没有得到可用的回复（{problem}）', 'The connection works, but WeChat does not answer: check proxies and firewalls.', '连接已建立，但对端不像微信：请检查中间的代理与防火墙。')
    },
    async run (context) {
      if (hostsOf(context).length === 0) return 'unused'
      let headers
      try {
        headers = await refusal(context)
      } catch (error) {
        return { outcome: 'lost', values: { problem: error instanceof WechatNetworkError ? error.reason : (error as Error).name } }
      }
      const theirs = Date.parse(headers.date ?? '')
      if (Number.isNaN(theirs)) return 'silent'
      const seconds = Math.round((Date.now() - theirs) / 1000)
      const values = { seconds: Math.abs(seconds), way: seconds > 0 ? { en: 'ahead of', zh: '快' } : { en: 'behind', zh: '慢' } }
      return { outcome: Math.abs(seconds) >= WINDOW ? 'wrong' : Math.abs(seconds) >= ODD ? 'odd' : 'right', values }
    }
  }),

  check('server.between', {
    needs: ['server.clock'],
    online: true,
    messages: {
      unused: UNUSED,
      nobody: passes('WeChat\'s answers have no proxy headers', '微信的回复中没有代理的痕迹'),
      proxy: warns('there is a proxy: WeChat\'s answer has the header {name}', '中间有代理：微信的回复带有 {name} 头', 'Make sure that it neither caches nor changes bodies: signatures cover every byte.', '请确认它不缓存也不改动内容：签名精确到每个字节。')
    },
    async run (context) {
      if (hostsOf(context).length === 0) return 'unused'
      const headers = await refusal(context)
      const name = ['via', 'x-cache', 'x-squid-error', 'proxy-agent', 'x-proxy-id'].find(name => headers[name] !== undefined)
      return name ? { outcome: 'proxy', values: { name } } : 'nobody'
    }
  })
]
