/** What is done to a running emulator from a shell: the visitor's part, faults, and a look at what comes and goes. */
import type { Explanation } from '../explain/explanation.ts'
import type { Delivery, Order, Refund } from '../state/state.ts'
import { explained, outcome, yuan } from './lines.ts'
import type { Running } from './running.ts'
import { tail } from './tail.ts'

type Flags = Record<string, string | boolean | undefined>

export interface Verb {
  /** Its arguments, as the help shows them. */
  words: string
  help: string
  flags?: Record<string, [kind: 'text' | 'switch', help: string]>
  run (running: Running, words: string[], flags: Flags): Promise<void>
}

const JSON_FLAG = { json: ['switch', 'the whole answer, as JSON'] } as const satisfies Verb['flags']
const ORDER_FLAGS = { ...JSON_FLAG, 'sub-mch-id': ['text', 'of a service provider\'s merchant'] } as const satisfies Verb['flags']

export const VERBS: Record<string, Verb> = {
  pay: {
    words: 'NUMBER [--openid X]',
    help: 'the visitor pays the order; the notification follows',
    flags: { ...ORDER_FLAGS, openid: ['text', 'who pays'] },
    async run ({ ask }, words, flags) {
      const order = await ask<Order>('POST', orderPath(words, flags, 'pay'), named({ openid: flags.openid }))
      print(flags, order, `paid: ${order.out_trade_no}, ${yuan(order.total_fee)}, transaction_id ${order.transaction_id}`)
    }
  },
  refund: {
    words: 'NUMBER [--amount FEN]',
    help: 'the merchant refunds the order in the web console: what is left, or as many fen',
    flags: { ...ORDER_FLAGS, amount: ['text', 'fen'] },
    async run ({ ask }, words, flags) {
      const refund = await ask<Refund>('POST', orderPath(words, flags, 'refund'), named({ amount: fen(flags.amount) }))
      print(flags, refund, `refunding: ${refund.out_trade_no}, ${yuan(refund.refund_fee)}, out_refund_no ${refund.out_refund_no}`)
    }
  },
  scan: {
    words: 'URL [--openid X]',
    help: 'a visitor scans the QR code of a NATIVE order',
    flags: { ...JSON_FLAG, openid: ['text', 'who scans'] },
    async run ({ ask }, words, flags) {
      const order = await ask<Order>('POST', '/scan', named({ url: only(words, 'scan wants what the code says: wechat-emulator scan weixin://…'), openid: flags.openid }))
      print(flags, order, `scanned: ${order.out_trade_no}, ${yuan(order.total_fee)}, ${order.body}. To pay: wechat-emulator pay ${order.out_trade_no}`)
    }
  },
  expire: {
    words: '[NUMBER] [--tickets]',
    help: 'the order expires now; without a number: every access_token, and with --tickets the tickets, too',
    flags: { ...ORDER_FLAGS, tickets: ['switch', 'the tickets, too'] },
    async run ({ ask }, words, flags) {
      if (words.length > 0) {
        const order = await ask<Order>('POST', orderPath(words, flags, 'expire'))
        return print(flags, order, `expired: ${order.out_trade_no} is ${order.trade_state}`)
      }
      const counts = await ask<object>('POST', '/tokens/expire', { tickets: flags.tickets === true })
      print(flags, counts, `expired: every access_token${flags.tickets ? ' and ticket' : ''}`)
    }
  },
  faults: {
    words: '[KIND | clear] [--path P] …',
    help: 'what waits for calls and notifications; add a fault (hang, 502, SYSTEMERROR …) or a notification fault (drop, duplicate …); or none any more',
    flags: { ...JSON_FLAG, path: ['text', 'the beginning of the calls\' paths'], when: ['text', 'before or after WeChat has acted'], times: ['text', 'how many it meets'], ms: ['text', 'milliseconds'] },
    async run ({ ask }, words, flags) {
      const [kind] = words
      if (kind === 'clear') await ask('DELETE', '/faults')
      else if (kind !== undefined) {
        const isNotificationFault = NOTIFICATION_FAULTS.has(kind)
        await ask('POST', isNotificationFault ? '/notifications/faults' : '/faults', named({ kind, times: count(flags, 'times'), ms: count(flags, 'ms'), ...(!isNotificationFault && { path: flags.path, when: flags.when }) }))
      }
      const waiting = await ask<{ faults: Meeting[], notificationFaults: Meeting[] }>('GET', '/faults')
      const lines = [...waiting.faults.map(fault => `calls${fault.path ? ` of ${fault.path}…` : ''}: ${said(fault)}`), ...waiting.notificationFaults.map(fault => `notifications: ${said(fault)}`)]
      print(flags, waiting, lines.length === 0 ? 'no faults' : lines.join('\n'))
    }
  },
  trigger: {
    words: 'EVENT --to URL …',
    help: 'payment, refund, or any event of APIv3 (TRANSACTION.SUCCESS, REFUND.CLOSED …), sent to your app with what it is about',
    flags: { ...JSON_FLAG, to: ['text', 'your app\'s notify_url'], number: ['text', 'out_trade_no; made up where not given'], amount: ['text', 'fen; default 100'], v2: ['switch', 'payment and refund as v2\'s XML'], content: ['text', 'of any other event: what is encrypted, as JSON'] },
    async run ({ ask }, words, flags) {
      const event = only(words, 'trigger wants an event: wechat-emulator trigger payment --to http://127.0.0.1:3000/wechat/notify')
      if (typeof flags.to !== 'string') throw new Error('trigger wants --to, your app\'s notify_url')
      const delivery = await ask<Delivery>('POST', '/trigger', named({ event, url: flags.to, out_trade_no: flags.number, amount: fen(flags.amount), v2: flags.v2, content: flags.content === undefined ? undefined : jsonOf(flags.content) }))
      print(flags, delivery, `${event}${delivery.out_trade_no && ` of ${delivery.out_trade_no}`}: ${outcome(delivery)}`)
      if (!delivery.accepted) process.exitCode = 1
    }
  },
  explain: {
    words: '[ID | latest]',
    help: 'why a signature was refused: what should have been signed, and the mistake',
    flags: JSON_FLAG,
    async run ({ ask }, words, flags) {
      const id = words.length === 0 ? 'latest' : only(words, 'explain wants one call: wechat-emulator explain latest')
      const explanation = await ask<Explanation>('GET', `/explain/${encodeURIComponent(id)}`)
      print(flags, explanation, explained(explanation))
    }
  },
  tail: { words: '', help: 'calls and notifications as they come, until Ctrl+C', flags: JSON_FLAG, run: tail },
  health: {
    words: '',
    help: 'whether it is up: exit code 0 or 1',
    flags: JSON_FLAG,
    async run ({ ask, base }, _words, flags) {
      const health = await ask<{ version: string }>('GET', '/health')
      print(flags, health, `up: ${base}, version ${health.version}`)
    }
  }
}

interface Meeting { kind: string, path?: string, when?: string, times: number }

/** What happens to notifications, and not to calls. */
const NOTIFICATION_FAULTS = new Set(['drop', 'delay', 'hold', 'duplicate', 'concurrent', 'forge'])

const said = ({ kind, when, times }: Meeting) => `${kind}${when ? ` ${when}` : ''}, ${times < 1e6 ? `${times} more` : 'always'}`

function print ({ json }: Flags, answer: object, line: string): void {
  console.log(json ? JSON.stringify(answer) : line)
}

/** Without what was not given, since the interface refuses empty values. */
const named = (values: Record<string, unknown>) => Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))

function only (words: string[], complaint: string): string {
  if (words.length !== 1) throw new Error(complaint)
  return words[0] as string
}

function orderPath (words: string[], flags: Flags, what: string): string {
  const number = only(words, `${what} wants one order: wechat-emulator ${what} OUT_TRADE_NO`)
  return `/orders/${encodeURIComponent(number)}/${what}${flags['sub-mch-id'] === undefined ? '' : `?sub_mch_id=${encodeURIComponent(String(flags['sub-mch-id']))}`}`
}

function fen (value: string | boolean | undefined): number | undefined {
  if (value === undefined) return undefined
  if (!/^[1-9]\d{0,9}$/.test(String(value))) throw new Error('--amount must be a whole number of fen')
  return Number(value)
}

function count (flags: Flags, name: string): number | undefined {
  const value = flags[name]
  if (value === undefined) return undefined
  if (!/^\d{1,9}$/.test(String(value))) throw new Error(`--${name} must be a whole number`)
  return Number(value)
}

function jsonOf (text: string | boolean): unknown {
  try {
    return JSON.parse(String(text))
  } catch {
    throw new Error('--content must be JSON')
  }
}
