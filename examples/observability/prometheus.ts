/** Prometheus metrics: number, duration and result of calls; fetched tokens; notifications. */
import { tracingChannel } from 'node:diagnostics_channel'
import { Counter, Gauge, Histogram } from 'prom-client'
import type { Registry } from 'prom-client'

interface CallMessage { name: string, status?: number, error?: { code?: string } }
interface TokenMessage { name: string, error?: unknown }
interface NotificationMessage { version?: string, kind?: string, error?: { statusCode?: number } }

/** The path without order numbers, because each label value creates a time series. */
const route = (name: string) => name.replace(/(out-trade-no|out-bill-no|\/id|refunds|orders)\/[^/]+/, '$1/:number')

/** Returns a function that stops it. */
export function measureWechat (registry: Registry): () => void {
  const registers = [registry]
  const calls = new Histogram({ name: 'wechat_call_seconds', help: 'Calls to WeChat, repeats included', labelNames: ['name', 'outcome'], registers })
  const tokens = new Counter({ name: 'wechat_tokens_fetched_total', help: 'Tokens and tickets fetched from WeChat', labelNames: ['name', 'outcome'], registers })
  const notifications = new Counter({ name: 'wechat_notifications_total', help: 'Deliveries at the notify route', labelNames: ['version', 'kind', 'outcome'], registers })
  const started = new WeakMap<object, number>()

  const subscribers = {
    call: {
      start: (message: unknown) => { started.set(message as object, performance.now()) },
      asyncEnd (message: unknown) {
        const { name, status, error } = message as CallMessage
        const seconds = (performance.now() - (started.get(message as object) as number)) / 1000
        calls.observe({ name: route(name), outcome: error?.code ?? String(status) }, seconds)
      }
    },
    token: {
      asyncEnd (message: unknown) {
        const { name, error } = message as TokenMessage
        tokens.inc({ name, outcome: error ? 'failed' : 'fetched' })
      }
    },
    notification: {
      asyncEnd (message: unknown) {
        const { version = 'unverified', kind = 'unknown', error } = message as NotificationMessage
        notifications.inc({ version, kind, outcome: error ? `refused ${error.statusCode ?? 500}` : 'handled' })
      }
    }
  }
  // The type requires all handlers, but only the given ones are subscribed.
  type Subscribers = Parameters<ReturnType<typeof tracingChannel>['subscribe']>[0]
  const pairs = Object.entries(subscribers).map(([name, handlers]) => [tracingChannel(`fastify-wechat-pay:${name}`), handlers as unknown as Subscribers] as const)
  for (const [channel, handlers] of pairs) channel.subscribe(handlers)
  return () => { for (const [channel, handlers] of pairs) channel.unsubscribe(handlers) }
}

interface Certificates { account: string, certificates: Array<{ of: string, serialNo: string, validTo: Date }> }

/** Expiry of certificates: alert on `wechat_certificate_ends_seconds - time() < 30 * 86400`. */
export function measureCertificates (registry: Registry, look: () => Certificates[]): void {
  // eslint-disable-next-line no-new
  new Gauge({
    name: 'wechat_certificate_ends_seconds',
    help: 'When a certificate ends, in seconds since 1970',
    labelNames: ['account', 'of', 'serial'],
    registers: [registry],
    collect () {
      this.reset()
      for (const { account, certificates } of look()) {
        for (const { of, serialNo, validTo } of certificates) this.set({ account, of, serial: serialNo }, validTo.getTime() / 1000)
      }
    }
  })
}
