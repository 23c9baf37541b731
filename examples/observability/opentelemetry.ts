/** Calls to WeChat, tokens and notifications as OpenTelemetry spans. Call it once, before the server listens. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { tracingChannel } from 'node:diagnostics_channel'
import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import type { Span, Tracer } from '@opentelemetry/api'

type Traced = Record<string, unknown> & { error?: unknown }

const KINDS = { call: SpanKind.CLIENT, token: SpanKind.INTERNAL, notification: SpanKind.SERVER } as const

/** Returns a function that stops it. */
export function traceWechat (tracer: Tracer): () => void {
  const spans = new WeakMap<object, Span>()
  // The active span, so that the call which fetches a token becomes the token span's child.
  const current = new AsyncLocalStorage<Span>()

  const stops = Object.entries(KINDS).map(([name, kind]) => {
    const { start, asyncEnd } = tracingChannel(`fastify-wechat-pay:${name}`)
    start.bindStore(current, message => {
      const parent = current.getStore()
      const around = parent ? trace.setSpan(context.active(), parent) : context.active()
      const span = tracer.startSpan(`wechat ${name}`, { kind }, around)
      spans.set(message as object, span)
      return span
    })
    const onEnd = (message: unknown) => {
      const { error, ...facts } = message as Traced
      const span = spans.get(message as object)
      for (const [fact, value] of Object.entries(facts)) span?.setAttribute(`wechat.${fact}`, value as string | number)
      if (error) span?.setStatus({ code: SpanStatusCode.ERROR, message: (error as Error).message })
      span?.end()
    }
    asyncEnd.subscribe(onEnd)
    return () => {
      start.unbindStore(current)
      asyncEnd.unsubscribe(onEnd)
    }
  })
  return () => { for (const stop of stops) stop() }
}
