/** Waits for a notification; if it does not arrive, the error says which ones did. */
import { once } from 'node:events'
import type { Delivery, State } from '../state/state.ts'

/** How many notifications the error names. */
const NAMED = 5

/** A notification that was already sent, or the next one. `timeout`: milliseconds. @throws Error after that time */
export async function awaitDelivery (state: Pick<State, 'deliveries' | 'events'>, which: (delivery: Delivery) => boolean, timeout: number): Promise<Delivery> {
  // Not AbortSignal.timeout: its timer does not keep the process alive.
  const late = new AbortController()
  const timer = timeout === Infinity ? undefined : setTimeout(() => late.abort(), timeout)
  try {
    for (;;) {
      const sent = state.deliveries.find(delivery => (delivery.reply || delivery.error) && which(delivery))
      if (sent) return sent
      await once(state.events, 'delivery', { signal: late.signal })
    }
  } catch (error) {
    if (!late.signal.aborted) throw error
    throw new Error(`no such notification in ${timeout / 1000} s: ${summary(state.deliveries)}`)
  } finally {
    clearTimeout(timer)
  }
}

function summary (deliveries: readonly Delivery[]): string {
  if (deliveries.length === 0) return 'none was sent'
  const last = deliveries.slice(-NAMED).map(({ about, out_trade_no: number, out_refund_no: refund, attempt, url, accepted, reply, error }) => {
    const answer = reply ? `HTTP ${reply.status}${reply.body && ` ${JSON.stringify(reply.body.slice(0, 120))}`}` : error ?? 'no answer yet'
    return `${about} ${refund || number}, attempt ${attempt} to ${url}: ${accepted ? 'accepted' : 'not accepted'}, ${answer}`
  })
  const many = deliveries.length === 1 ? '1 was sent' : `${deliveries.length} were sent`
  return `${many}${deliveries.length > NAMED ? `, the last ${NAMED}` : ''}: ${last.join('; ')}`
}
