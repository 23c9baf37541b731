/**
 * What happens, for whoever watches: node:diagnostics_channel, one tracing channel for each kind of work.
 * No subscriber, no cost; and nothing that is published holds a secret.
 */
import { tracingChannel } from 'node:diagnostics_channel'

/** A call to WeChat, its repeats and fail-overs included. */
export interface CallTrace {
  /** The path, such as `/pay/unifiedorder` or `/v3/pay/transactions/out-trade-no/A1`, without its query: that may hold secrets. */
  name: string
  method: string
  /** The host that was asked first. */
  host: string
  /** How often it was sent. */
  attempts: number
  /** HTTP status of the answer. */
  status?: number
  error?: unknown
}

/** A token or a ticket, fetched anew from WeChat. */
export interface TokenTrace {
  /** `access_token` or `jsapi_ticket` and the like. */
  name: string
  /** Whether WeChat was asked to replace a living one. */
  forced: boolean
  /** Milliseconds that it will be used for. */
  ttl?: number
  error?: unknown
}

/** A delivery at the notify route, from its first byte verified to its answer. */
export interface NotificationTrace {
  /** Undefined until it is verified. */
  version?: 'v2' | 'v3'
  kind?: 'payment' | 'payments' | 'refund' | 'event' | 'failure'
  outTradeNo?: string
  /** A refusal, or what the host's handler threw. */
  error?: unknown
}

interface Stage<T> {
  readonly hasSubscribers: boolean
  publish (context: T): void
}

/** What is used of Node's TracingChannel, whose type takes other parameters in each major version of @types/node. */
export interface Tracing<T> extends Record<'end' | 'asyncStart' | 'asyncEnd' | 'error', Stage<T>> {
  start: Stage<T> & { runStores<R> (context: T, work: () => R): R }
}

const channel = <T extends object>(name: string): Tracing<T> => tracingChannel(`fastify-wechat-pay:${name}`) as unknown as Tracing<T>

export const callChannel = channel<CallTrace>('call')
export const tokenChannel = channel<TokenTrace>('token')
export const notificationChannel = channel<NotificationTrace>('notification')

/**
 * Does the work between `start` and `asyncEnd` of the channel; `context` is one object throughout, to which the work
 * adds what it learns. Not `tracePromise`: that would publish the result, and with it a token.
 */
export async function traced<T extends { error?: unknown }, R> (channel: Tracing<T>, context: T, work: () => Promise<R>): Promise<R> {
  const { start, end, asyncStart, asyncEnd, error: failed } = channel
  if (![start, end, asyncStart, asyncEnd, failed].some(({ hasSubscribers }) => hasSubscribers)) return await work()
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
