/** Prints calls and notifications as they arrive, one line each. */
import { request } from 'undici'
import type { Call } from '../control/journal.ts'
import type { Delivery } from '../state/state.ts'
import { outcome } from './format.ts'
import type { Running } from './running.ts'

const isUnderWay = ({ reply, error }: Delivery) => reply === null && error === null

/** Runs until the emulator or this process ends. */
export async function tail ({ base, ask }: Running, _words: string[], { json }: { json?: string | boolean | undefined }): Promise<void> {
  let call = ''
  let lastId = ''
  /** Ids of the notifications already printed. */
  const printed = new Set<string>()

  async function show (quiet = false): Promise<void> {
    const [calls, deliveries] = await Promise.all([
      ask<Call[]>('GET', `/calls?after=${call}`),
      ask<Delivery[]>('GET', `/notifications?after=${lastId}`)
    ])
    const waiting = deliveries.findIndex(isUnderWay)
    const ended = deliveries.filter(delivery => !isUnderWay(delivery) && !printed.has(delivery.id))
    const lines = [
      ...calls.reverse().map(call => ({ at: call.at, whole: call, line: `${call.verdict === 'accepted' ? '→' : '✗'} ${call.method} ${call.url.split('?')[0]} ${call.status}${call.out_trade_no && ` ${call.out_trade_no}`}${call.reason && ` ${call.reason}`}` })),
      ...ended.map(delivery => ({ at: delivery.sent_at, whole: delivery, line: `${delivery.accepted ? '←' : '✗'} notification ${delivery.about} ${delivery.out_refund_no || delivery.out_trade_no}, attempt ${delivery.attempt}: ${outcome(delivery)}` }))
    ].sort((one, other) => one.at < other.at ? -1 : 1)
    call = calls.at(-1)?.id ?? call
    lastId = (waiting < 0 ? deliveries.at(-1) : deliveries[waiting - 1])?.id ?? lastId
    for (const { id } of ended) printed.add(id)
    if (!quiet) for (const { at, whole, line } of lines) console.log(json ? JSON.stringify(whole) : `${at.slice(11, 23)} ${line}`)
  }

  const { body, statusCode } = await request(`${base}/_emulator/events`, { bodyTimeout: 0 })
  if (statusCode !== 200) throw new Error(`no events at ${base}: HTTP ${statusCode}`)
  await show(true)
  console.error(`${base}: waiting for calls and notifications`)
  // Changes during one poll are seen by the next.
  for await (const chunk of body) if (String(chunk).includes('change')) await show()
}
