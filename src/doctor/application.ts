/** Your application: what the options show of it, and which client address the running server sees. */
import { check, fails, passes, skips, warns } from './check.ts'
import { FORGED_ADDRESS, usualReport } from './probe.ts'
import type { CheckContext } from './context.ts'

/** Environment variables contain no functions: then there is nothing to check. */
const hasHandlers = ({ options: { onPayment, onRefund, onLogin, order, expected, unfinished } }: CheckContext) =>
  [onPayment, onRefund, onLogin, order, expected, unfinished].some(handler => typeof handler === 'function')

const UNSEEN = skips('can only be checked with an options file (--config)', '只有 app.register 的选项才能看出（--config）')

/** Headers that only a proxy adds. */
const PROXIES = new Set(['via', 'forwarded', 'x-real-ip', 'x-forwarded-proto', 'x-forwarded-host', 'x-forwarded-port', 'x-forwarded-server'])

/** Milliseconds that running notifications need, and that the shutdown needs in addition. */
const HANDLER = 4500
const REST = 500

export const applicationChecks = [
  check('application.notifications', {
    messages: {
      unseen: UNSEEN,
      unused: skips('no orders are placed here', '这里没有支付'),
      notified: passes('payments reach onPayment', '支付结果会进入 onPayment'),
      missing: fails('orders are placed, but onPayment is not set', '会下单，但没有 onPayment 接收支付结果', 'Set onPayment: what the page reports is no proof of a payment.', '请提供 onPayment：页面返回的结果不能作为支付凭据。')
    },
    run: context => !hasHandlers(context) ? 'unseen' : context.options.onPayment ? 'notified' : context.options.order ? 'missing' : 'unused'
  }),

  check('application.expected', {
    needs: ['application.notifications'],
    messages: {
      unseen: UNSEEN,
      unused: skips('onPayment is not set', '没有 onPayment'),
      compared: passes('payments are compared with your own orders', '支付结果会与自己的订单比对'),
      trusted: warns('expected is not set: a payment with a wrong amount reaches onPayment', '缺少 expected：金额与订单不符的支付也会进入 onPayment', 'Set expected: outTradeNo => ({ amount, openid }) from your own records.', '请提供 expected：outTradeNo => ({ amount, openid })，数据取自自己的订单。')
    },
    run: context => !hasHandlers(context) ? 'unseen' : !context.options.onPayment ? 'unused' : context.options.expected ? 'compared' : 'trusted'
  }),

  check('application.idempotency', {
    needs: ['application.notifications'],
    messages: {
      unseen: UNSEEN,
      unused: skips('onPayment is not set', '没有 onPayment'),
      used: passes('onPayment takes a second argument, which contains idempotencyKey', 'onPayment 接收了含 idempotencyKey 的第二个参数'),
      unread: warns('onPayment takes no second argument: it cannot use idempotencyKey', 'onPayment 没有接收第二个参数，用不到 idempotencyKey', 'Store idempotencyKey in the transaction that fulfils the order: after a crash or without Redis the handler runs again. An update that has no effect the second time works as well.', '请在发货的同一事务中写入 idempotencyKey：进程崩溃或 Redis 丢失时处理函数会再次执行。若更新语句本身可重复执行，也可以。')
    },
    run: context => !hasHandlers(context) ? 'unseen' : !context.options.onPayment ? 'unused' : context.options.onPayment.length >= 2 || /idempotencyKey|\.\.\./.test(String(context.options.onPayment)) ? 'used' : 'unread'
  }),

  check('application.reconcile', {
    needs: ['application.notifications'],
    messages: {
      unseen: UNSEEN,
      unused: skips('onPayment is not set', '没有 onPayment'),
      reconciled: passes('unfinished orders are reconciled', '会主动查询没有结果的订单'),
      unset: warns('unfinished is not set: an order whose notification is lost stays open', '缺少 unfinished：回调丢失的订单会一直悬着', 'Set unfinished, a function that returns your unfinished orders: docs/plugins.md, reconcile.', '请提供 unfinished（没有结果的订单），见 docs/zh-CN/plugins.md 的 reconcile。')
    },
    run: context => !hasHandlers(context) ? 'unseen' : !context.options.onPayment ? 'unused' : context.options.unfinished ? 'reconciled' : 'unset'
  }),

  check('application.shutdown', {
    messages: {
      unknown: skips('the time allowed for a shutdown is unknown (shutdownTime)', '不知道停机可以用多长时间（shutdownTime）'),
      enough: passes('a shutdown leaves running notifications enough time to finish', '停机时间足够处理完进行中的回调'),
      short: warns('a shutdown after {ms} ms interrupts running notifications, which may take {needed} ms', '停机只给 {ms} 毫秒，进行中的回调可能需要 {needed} 毫秒', 'Call app.close() on SIGTERM, and allow eight seconds before the process is killed.', '请在 SIGTERM 与强制结束之间留八秒，并在 SIGTERM 时调用 app.close()。')
    },
    run ({ options: { handlerTimeout = HANDLER }, settings: { shutdownTime } }) {
      if (shutdownTime === undefined) return 'unknown'
      const needed = handlerTimeout + REST
      return shutdownTime >= needed ? 'enough' : { outcome: 'short', values: { ms: shutdownTime, needed } }
    }
  }),

  check('application.trust-proxy', {
    needs: ['server.notify-route'],
    online: true,
    messages: {
      unreported: skips('the running server did not report the client address', '运行中的服务没有返回它看到的来源'),
      right: passes('the server sees the client address {ip}, over {protocol}', '服务看到的来源是 {ip}，协议 {protocol}'),
      forgeable: fails('the server believes a forged X-Forwarded-For', '服务相信了伪造的 X-Forwarded-For', 'trustProxy: true trusts everyone. Set the number of proxies (1) or their addresses.', 'trustProxy: true 会信任所有人，请改为代理层数（如 1）或代理地址。'),
      hidden: warns('behind the proxy, the server sees {ip} as every client\'s address', '服务在代理之后，看到的来源都是 {ip}', 'Set Fastify\'s trustProxy to 1 (or the proxy\'s address): H5 orders, rate limits and logs need the visitor\'s address.', '请设置 trustProxy: 1（或代理地址）：H5 下单、限流与日志都需要访客的真实 IP。'),
      http: warns('the server treats https as http', '服务把 https 当成了 http', 'The proxy must send X-Forwarded-Proto, and Fastify must trust it (trustProxy): links and cookies depend on it.', '代理须发送 X-Forwarded-Proto，并让 Fastify 信任它（trustProxy）：链接与 Cookie 依赖它。')
    },
    async run (context) {
      const report = await usualReport(context)
      if (!report) return 'unreported'
      const { ip, peer, protocol, headers } = report
      const values = { ip, protocol }
      if (ip === FORGED_ADDRESS) return 'forgeable'
      if (ip === peer && headers.some(name => PROXIES.has(name))) return { outcome: 'hidden', values }
      return context.options.merchant?.notifyUrl?.startsWith('https:') && protocol !== 'https' ? { outcome: 'http', values } : { outcome: 'right', values }
    }
  })
]
