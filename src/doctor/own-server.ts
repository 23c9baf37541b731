/** This server as WeChat and browsers see it: `notifyUrl` and `origin`. Tested from this machine; from the internet the result may differ. */
import { PROBE_HEADER, PROBE_STATUS } from '../pay/notify-probe.ts'
import { check, fails, passes, skips, warns } from './check.ts'
import type { Finding } from './check.ts'
import type { CheckContext } from './context.ts'
import { lifeOf } from './pem.ts'
import { LARGE, neededHeaders, notifyUrlOf, probed, USUAL, usualReport } from './probe.ts'
import { addressesOf, connectionProblem, isPrivate, tlsView } from './reach.ts'
import { isWechats } from './server.ts'

const NONE = skips('not configured', '未配置')

/** Days before expiry by which automatic renewal should have happened. */
const RENEWAL = 14

const originOf = ({ options: { origin } }: CheckContext): URL | undefined => origin === undefined ? undefined : new URL(origin)
/** A problem with one host is reported once. */
const sameMachine = (context: CheckContext) => originOf(context)?.host === notifyUrlOf(context)?.host

const goesToWechat = ({ endpoints }: CheckContext) => isWechats(new URL(endpoints.pay))

const tlsMessages = (name: string) => ({
  none: NONE,
  same: skips('the same host as in notifyUrl', '与 notifyUrl 同一主机'),
  genuine: passes(`${name}: the certificate is complete and trusted, until {end} ({issuer})`, `${name} 的证书链完整可信，有效期至 {end}（{issuer}）`),
  expired: fails(`${name}: the certificate expired on {end}`, `${name} 的证书已于 {end} 过期`, 'Renew it, and find out why it was not renewed automatically.', '请续期，并检查为何没有自动续期。'),
  early: fails(`${name}: the certificate is only valid from {begin}`, `${name} 的证书自 {begin} 起才有效`, 'Check this machine\'s clock.', '请检查本机时间是否正确。'),
  soon: warns(`${name}: the certificate expires on {end}, in {days} days`, `${name} 的证书将于 {end} 过期（还剩 {days} 天）`, 'It should have been renewed automatically by now: check the renewal.', '此时应已自动续期，请检查续期任务。'),
  incomplete: fails(`${name}: the certificate chain is incomplete`, `${name} 的证书链不完整`, 'Serve the intermediate certificates, too (fullchain.pem). Browsers find missing ones, WeChat does not.', '请同时部署中间证书（fullchain.pem）。浏览器会自行补全，微信不会。'),
  name: fails(`${name}: the certificate is for another host`, `${name} 的证书不属于该域名`, 'Get one for this host name.', '请为该域名签发证书。'),
  untrusted: fails(`${name}: the certificate is not trusted ({problem}); its issuer is {issuer}`, `${name} 的证书不受信任（{problem}），签发者：{issuer}`, 'WeChat trusts public authorities only.', '微信只信任公共 CA 签发的证书。'),
  broken: fails(`${name}: no TLS connection ({problem})`, `${name} 无法建立 TLS 连接（{problem}）`, 'Check that this port uses TLS.', '该端口是否启用了 TLS？')
})

async function tls (url: URL | undefined, context: CheckContext): Promise<Finding<'none' | 'genuine' | 'expired' | 'early' | 'soon' | 'incomplete' | 'name' | 'untrusted' | 'broken'>> {
  if (url?.protocol !== 'https:') return { outcome: 'none' }
  const view = await tlsView(url, context.settings.ca)
  const { problem, issuer } = view
  if (issuer === '') return { outcome: 'broken', values: { problem: problem ?? '' } }
  const life = lifeOf({ validFrom: view.validFrom, validTo: view.validTo }, '', RENEWAL)
  if (life.outcome === 'expired' || life.outcome === 'early') return { outcome: life.outcome, values: life.values ?? {} }
  if (problem === 'ERR_TLS_CERT_ALTNAME_INVALID') return { outcome: 'name' }
  // An unknown root looks the same as a missing intermediate, except that it is its own issuer.
  if (problem === 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' || problem === 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY') return { outcome: 'incomplete' }
  if (problem) return { outcome: 'untrusted', values: { problem, issuer } }
  return { outcome: life.outcome === 'soon' ? 'soon' : 'genuine', values: { ...life.values, issuer } }
}

async function reachable (url: URL): Promise<string | undefined> {
  const view = await addressesOf(url)
  return 'problem' in view ? view.problem : await connectionProblem(url)
}

const addressMessages = (name: string) => ({
  https: passes(`${name} is an https address`, `${name} 是 https 地址`),
  malformed: fails(`${name} is not an absolute URL`, `${name} 不是完整的 URL`, 'Use a URL such as https://shop.example.com/wechat/notify.', '例如 https://shop.example.com/wechat/notify。'),
  http: fails(`${name} is not https`, `${name} 不是 https`, 'WeChat Pay and WeChat\'s browser require https.', '微信支付与微信内的浏览器都要求 https。'),
  private: fails(`${name} points to {host}, which is not reachable from the internet`, `${name} 指向 {host}，公网无法到达`, 'Use the public host name.', '请使用公网域名。')
})

export const ownServerChecks = [
  check('server.notify-url', {
    needs: ['server.endpoints'],
    messages: {
      none: NONE,
      missing: fails('merchant.notifyUrl is missing', '缺少 merchant.notifyUrl', 'It is required for orders: https://<your host>/wechat/notify.', '下单必填：https://<你的域名>/wechat/notify。'),
      query: fails('merchant.notifyUrl has a query or a fragment', 'merchant.notifyUrl 带有查询串或片段', 'WeChat Pay refuses it: remove ? or # and everything after it.', '微信支付不接受，请去掉 ? 及其后的部分。'),
      ...addressMessages('merchant.notifyUrl')
    },
    run (context) {
      const { merchant } = context.options
      if (!merchant) return 'none'
      if (!merchant.notifyUrl) return 'missing'
      if (!URL.canParse(merchant.notifyUrl)) return 'malformed'
      if (/[?#]/.test(merchant.notifyUrl)) return 'query'
      const url = new URL(merchant.notifyUrl)
      if (url.protocol !== 'https:') return 'http'
      return goesToWechat(context) && isPrivate(url) ? { outcome: 'private', values: { host: url.host } } : 'https'
    }
  }),

  check('server.notify-connect', {
    needs: ['server.notify-url'],
    online: true,
    messages: {
      none: NONE,
      open: passes('notifyUrl can be reached from here', '从本机可以连通 notifyUrl'),
      closed: fails('notifyUrl cannot be reached from here ({problem})', '从本机无法连通 notifyUrl（{problem}）', 'Check that the name points to this server and that the proxy in front of it is running. Tested from this machine; from the internet the result may differ.', '请检查域名解析与前置代理。这是从本机查看的结果，公网情况可能不同。')
    },
    async run (context) {
      const url = notifyUrlOf(context)
      if (!url) return 'none'
      const problem = await reachable(url)
      return problem ? { outcome: 'closed', values: { problem } } : 'open'
    }
  }),

  check('server.notify-tls', {
    needs: ['server.notify-connect'],
    online: true,
    messages: tlsMessages('notifyUrl'),
    run: async context => await tls(notifyUrlOf(context), context)
  }),

  check('server.notify-route', {
    needs: ['server.notify-tls', 'keys.v2-key', 'keys.v3-key'],
    online: true,
    messages: {
      none: NONE,
      answers: passes('the notify route answers, in {ms} ms', '回调路由有响应，耗时 {ms} 毫秒'),
      absent: fails('there is no route at notifyUrl\'s path (HTTP {status})', 'notifyUrl 的路径不存在（HTTP {status}）', 'Check that the path matches prefix (default /wechat/notify), and what the proxy strips or adds.', '请核对 prefix（默认 /wechat/notify）以及前置代理对路径的增删。'),
      redirect: fails('notifyUrl is redirected (HTTP {status})', 'notifyUrl 被重定向（HTTP {status}）', 'WeChat does not follow redirects: use the final URL, with https and the right trailing slash.', '微信不会跟随跳转：请填写最终地址（https、末尾斜杠一致）。'),
      accepted: fails('a forged notification was answered with success (HTTP {status})', '伪造的回调得到了成功答复（HTTP {status}）', 'That is not the notify route: a catch-all route or a page answers there, and WeChat would treat payments as handled.', '响应的不是回调路由，而是兜底路由或页面：微信会误以为支付已处理。'),
      blocked: fails('something in front of the server rejects notifications (HTTP {status})', '回调在到达服务前被拦截（HTTP {status}）', 'Check the firewall (WAF), address filters, logins and preHandlers: POST to this path must get through.', '可能是 WAF、IP 过滤、登录校验或 preHandler：请放行该路径的 POST。'),
      gateway: fails('the proxy gets no answer from the server (HTTP {status})', '前置代理没有得到服务的响应（HTTP {status}）', 'Check that the server is running and that the proxy uses its port.', '请确认服务已启动，且代理指向正确的端口。'),
      lost: fails('no answer at notifyUrl ({problem})', 'notifyUrl 没有响应（{problem}）', 'The connection works, but there is no answer in time: WeChat waits five seconds.', '连接已建立，但没有及时响应：微信最多等五秒。')
    },
    async run (context) {
      if (!notifyUrlOf(context)) return 'none'
      const { hit: answer, report } = await probed(context, USUAL)
      if ('problem' in answer) return { outcome: 'lost', values: { problem: answer.problem } }
      const { status, ms, headers } = answer
      const values = { status, ms: Math.round(ms) }
      if (report || status === PROBE_STATUS) return { outcome: 'answers', values }
      if (status === 404 || status === 405) return { outcome: 'absent', values }
      if (status >= 300 && status < 400) return { outcome: 'redirect', values }
      if (status < 300) return { outcome: 'accepted', values }
      if (status >= 500) return { outcome: 'gateway', values }
      // Our own route refuses in WeChat's format; the next check says what is missing.
      const isOurs = (status === 400 || status === 401 || status === 413) && /^(?:\{"code":"FAIL"|<xml><return_code>)/.test(answer.body) && !/html/.test(String(headers['content-type']))
      return { outcome: isOurs ? 'answers' : 'blocked', values }
    }
  }),

  check('server.notify-body', {
    needs: ['server.notify-route'],
    online: true,
    messages: {
      none: NONE,
      unchanged: passes('a body of {length} bytes arrives unchanged', '{length} 字节的请求体原样到达'),
      changed: fails('{length} bytes were sent, but {arrived} different bytes arrived', '发送 {length} 字节，到达的内容不同（{arrived} 字节）', 'A proxy or a filter changes bodies, so no signature can be verified: let it pass bodies to this path unchanged.', '代理或过滤器改动了请求体，验签必然失败：请让该路径的请求体原样通过。'),
      empty: fails('{length} bytes were sent, but the server received none', '发送 {length} 字节，服务端收到的请求体为空', 'Something reads the body before the notify route: a proxy, or a hook or parser of your application.', '请求体在到达回调路由前被读取：可能是代理，或应用中的钩子、解析器。'),
      unreported: warns('the server did not recognize the probe as this merchant\'s', '服务端没有认出这是本商户的探测请求', 'A proxy may drop the header {header}, or the running server has different keys or an older version of this package.', '可能是代理丢弃了 {header} 头；或运行中的服务使用了其他密钥，或本包版本较旧。')
    },
    async run (context) {
      if (!notifyUrlOf(context)) return 'none'
      const { report, sent } = await probed(context, USUAL)
      if (!report) return { outcome: 'unreported', values: { header: PROBE_HEADER } }
      const values = { length: sent.length, arrived: report.length }
      if (report.length === 0) return { outcome: 'empty', values }
      return { outcome: report.digest === sent.digest ? 'unchanged' : 'changed', values }
    }
  }),

  check('server.notify-headers', {
    needs: ['server.notify-route'],
    online: true,
    messages: {
      none: NONE,
      unreported: skips('the server did not report what arrived', '服务端没有返回收到的内容'),
      arrived: passes('the headers of notifications arrive', '回调所需的请求头都能到达'),
      lost: fails('{names} did not arrive', '途中丢失了请求头 {names}', 'A proxy drops unknown headers: let Wechatpay-* and Content-Type through.', '代理丢弃了不认识的请求头：请放行 Wechatpay-* 与 Content-Type。')
    },
    async run (context) {
      const report = await usualReport(context)
      if (!report) return notifyUrlOf(context) ? 'unreported' : 'none'
      const missing = neededHeaders(context).filter(name => !report.headers.includes(name))
      return missing.length === 0 ? 'arrived' : { outcome: 'lost', values: { names: missing.join(', ') } }
    }
  }),

  check('server.notify-limit', {
    needs: ['server.notify-body'],
    online: true,
    messages: {
      none: NONE,
      unreported: skips('the server did not report what arrived', '服务端没有返回收到的内容'),
      wide: passes('a body of {length} bytes arrives, too', '{length} 字节的请求体也能到达'),
      narrow: fails('a body of {length} bytes is rejected (HTTP {status})', '{length} 字节的请求体被拒（HTTP {status}）', 'Notifications of combined orders and with coupons are larger than others: let 64 kB through (nginx: client_max_body_size 64k).', '合单与带优惠券的回调更大，请放行 64 kB（nginx：client_max_body_size 64k）。'),
      changed: fails('{length} bytes were sent, but {arrived} or different bytes arrived', '发送 {length} 字节，到达 {arrived} 字节或内容不同', 'A proxy truncates or changes large bodies: let it pass 64 kB unchanged.', '代理截断或改动了较大的请求体，请让 64 kB 以内原样通过。')
    },
    async run (context) {
      if (!notifyUrlOf(context)) return 'none'
      if (!await usualReport(context)) return 'unreported'
      const { hit: answer, report, sent } = await probed(context, LARGE)
      const { length } = sent
      if (!report) return { outcome: 'narrow', values: { length, status: 'status' in answer ? answer.status : answer.problem } }
      return report.digest === sent.digest ? { outcome: 'wide', values: { length } } : { outcome: 'changed', values: { length, arrived: report.length } }
    }
  }),

  check('server.origin', {
    needs: ['server.endpoints'],
    messages: {
      none: NONE,
      missing: fails('origin is missing; onLogin requires it', '缺少 origin，而 onLogin 需要它', 'Set it to the URL where browsers reach this server, such as https://shop.example.com.', '填写浏览器访问本服务的地址，例如 https://shop.example.com。'),
      path: fails('origin has more than scheme and host', 'origin 不只是协议加域名', 'Remove path and query: https://shop.example.com.', '请去掉路径与查询串：https://shop.example.com。'),
      ...addressMessages('origin')
    },
    run (context) {
      const { origin, onLogin } = context.options
      if (origin === undefined) return onLogin ? 'missing' : 'none'
      if (!URL.canParse(origin)) return 'malformed'
      const url = new URL(origin)
      if (url.pathname !== '/' || url.search || url.hash || url.username) return 'path'
      if (url.protocol !== 'https:') return 'http'
      return goesToWechat(context) && isPrivate(url) ? { outcome: 'private', values: { host: url.host } } : 'https'
    }
  }),

  check('server.origin-connect', {
    needs: ['server.origin', 'server.notify-url'],
    online: true,
    messages: {
      none: NONE,
      same: skips('the same host as in notifyUrl', '与 notifyUrl 同一主机'),
      open: passes('origin can be reached from here', '从本机可以连通 origin'),
      closed: fails('origin cannot be reached from here ({problem})', '从本机无法连通 origin（{problem}）', 'Check that the name points to this server and that the proxy in front of it is running. Tested from this machine; from the internet the result may differ.', '请检查域名解析与前置代理。这是从本机查看的结果，公网情况可能不同。')
    },
    async run (context) {
      const url = originOf(context)
      if (!url) return 'none'
      if (sameMachine(context)) return 'same'
      const problem = await reachable(url)
      return problem ? { outcome: 'closed', values: { problem } } : 'open'
    }
  }),

  check('server.origin-tls', {
    needs: ['server.origin-connect'],
    online: true,
    messages: tlsMessages('origin'),
    run: async context => sameMachine(context) ? 'same' : await tls(originOf(context), context)
  })
]
