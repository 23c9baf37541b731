/**
 * Tracing channels (node:diagnostics_channel), one for each kind of work.
 * Without a subscriber they cost nothing; no message contains a secret.
 */
import { tracingChannel } from 'node:diagnostics_channel'

/** A call to WeChat, including retries and failover. */
export interface CallTrace {
  /** The path, such as `/pay/unifiedorder` or `/v3/pay/transactions/out-trade-no/A1`, without the query, which may contain secrets. */
  name: string
  method: string
  /** The host that was tried first. */
  host: string
  /** How often it was sent. */
  attempts: number
  /** HTTP status of the answer. */
  status?: number
  error?: unknown
}

/** A token or ticket newly fetched from WeChat. */
export interface TokenTrace {
  /** `access_token`, `jsapi_ticket` and so on. */
  name: string
  /** Whether WeChat was asked to replace a valid one. */
  forced: boolean
  /** Milliseconds that it will be used. */
  ttl?: number
  error?: unknown
}

/** A delivery at the notify route, from verification to the answer. */
export interface NotificationTrace {
  /** Undefined until it is verified. */
  version?: 'v2' | 'v3'
  kind?: 'payment' | 'payments' | 'refund' | 'event' | 'failure'
  outTradeNo?: string
  /** A refusal, or what your handler threw. */
  error?: unknown
}

interface Stage<T> {
  readonly hasSubscribers: boolean
  publish (context: T): void
}

/** The parts of Node's TracingChannel in use here. Its own type has different parameters in each major version of @types/node. */
export interface Tracing<T> extends Record<'end' | 'asyncStart' | 'asyncEnd' | 'error', Stage<T>> {
  start: Stage<T> & { runStores<R> (context: T, work: () => R): R }
}

const channel = <T extends object>(name: string): Tracing<T> => tracingChannel(`fastify-wechat-pay:${name}`) as unknown as Tracing<T>

export const callChannel = channel<CallTrace>('call')
export const tokenChannel = channel<TokenTrace>('token')
export const notificationChannel = channel<NotificationTrace>('notification')

/**
 * Runs `work` between `start` and `asyncEnd` of the channel. `context` is the same object throughout; the work
 * adds to it. Not `tracePromise`, which would publish the result, and with it a token.
 */
export function traced<T extends { error?: unknown }, R> (channel: Tracing<T>, context: T, work: () => Promise<R>): Promise<R> {
  const { start, end, asyncStart, asyncEnd, error: failed } = channel
  const hasSubscribers = start.hasSubscribers || end.hasSubscribers || asyncStart.hasSubscribers || asyncEnd.hasSubscribers || failed.hasSubscribers
  return hasSubscribers ? published(channel, context, work) : work()
}

async function published<T extends { error?: unknown }, R> ({ start, end, asyncStart, asyncEnd, error: failed }: Tracing<T>, context: T, work: () => Promise<R>): Promise<R> {
  const running = start.runStores(context, work)
  end.publish(context)
  try {
    return await running
  } catch (error) {
    context.error = error
    failed.publish(context)
    throw error
  } finally {
    asyncStart.publish(context)
    asyncEnd.publish(context)
  }
}
