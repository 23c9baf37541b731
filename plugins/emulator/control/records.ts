/** Records by area, newest first: searched and paged on the server, so that it works with a hundred thousand records. */
import type { PayV2 } from '../wechat/v2/v2.ts'
import type { Notifier, Scheduled } from '../notifications/notifier.ts'
import type { Delivery, Order, State } from '../state/state.ts'
import { createOrderSearch } from './order-search.ts'
import type { Journal } from './journal.ts'
import { object, one, schema, text } from './schemas.ts'
import type { Routes } from '../wechat/routes.ts'

export interface RecordParts { pay: PayV2, journal: Journal, notifier: Notifier }

/** The searchable fields of a table's rows; `time`: milliseconds, `yyyyMMddHHmmss` in China, or ISO 8601. */
interface Columns { number: string, name?: string, amount?: string, state?: string, time?: string }

/** The tables of the state's memory that an area shows. */
const TABLES: Record<string, Record<string, Columns>> = {
  transfers: {
    transfers: { number: 'out_bill_no', name: 'remark', amount: 'amount', state: 'state', time: 'at' },
    payouts: { number: 'number', name: 'description', amount: 'amount', state: 'kind', time: 'at' },
    transferBatches: { number: 'out_batch_no', name: 'name', amount: 'total_amount', state: 'status', time: 'at' },
    bankTransfers: { number: 'partner_trade_no', amount: 'amount', time: 'at' },
    authorizations: { number: 'out_authorization_no', name: 'user_display_name', state: 'state', time: 'at' },
    withdrawals: { number: 'out_request_no', name: 'remark', amount: 'amount', state: 'status', time: 'at' }
  },
  sharing: {
    profitShares: { number: 'out_order_no', name: 'description', state: 'state', time: 'created' },
    profitReturns: { number: 'out_return_no', name: 'description', amount: 'amount', time: 'at' }
  },
  services: {
    serviceOrders: { number: 'out_order_no', name: 'service_introduction', amount: 'total_amount', state: 'state', time: 'paid_time' },
    contracts: { number: 'contract_code', name: 'display_account', state: 'state' }
  },
  'mini-program': {
    jsCodes: { number: 'code', name: 'openid', state: 'state', time: 'at' },
    shipped: { number: 'out_trade_no', name: 'goods_desc', state: 'state', time: 'at' }
  },
  complaints: {
    complaints: { number: 'complaint_id', name: 'detail', amount: 'amount', state: 'state', time: 'at' }
  }
}

/** The same for lists. */
const LISTS: Record<string, Record<string, Columns>> = {
  messages: {
    messages: { number: 'id', name: 'template_id', state: 'kind', time: 'at' }
  }
}

export const AREAS = ['orders', ...Object.keys(TABLES), ...Object.keys(LISTS), 'notifications', 'calls'] as const

type Row = Record<string, unknown>

/** A row of any table, with its searchable fields. */
export interface Shown { key: string, table: string, number: string, name: string, amount?: number, state: string, at: string, record: Row }

const PAGE = 50

export function recordRoutes (app: Routes, state: State, { pay, journal, notifier }: RecordParts): void {
  /** A partly refunded order has its own state here. */
  const stateOfOrder = (order: Order) => order.trade_state === 'REFUND' && pay.refunds.left(order) > 0 ? 'PARTLY_REFUNDED' : order.trade_state
  const ordersSearch = createOrderSearch(stateOfOrder)
  for (const order of state.orders.values()) ordersSearch.changed(order)
  pay.orders.onChanged(ordersSearch.changed)
  /** By order: the list of deliveries only grows, and may be very long. */
  const deliveriesOf = new Map<string, Delivery[]>()
  let indexed = 0

  app.get<{ Params: { area: string }, Querystring: { search?: string, state?: string, page?: number } }>('/records/:area', {
    schema: schema({
      tag: 'calls',
      summary: 'Records of one kind, newest first, paged',
      params: { area: one(AREAS, 'The kind.') },
      query: { search: text('Only records that contain all of these words.'), state: text('Only records in this state, one of those that the answer counts.'), page: { type: 'integer', minimum: 1, description: 'From 1, of 50 each. Default 1.' } },
      answer: object({ total: { type: 'integer' }, page: { type: 'integer' }, pages: { type: 'integer' }, states: { type: 'object', additionalProperties: { type: 'integer' }, description: 'How many of those found are in each state.' }, items: { type: 'array', items: { type: 'object', additionalProperties: true } } })
    })
  }, async ({ params: { area }, query: { search = '', state: wanted, page = 1 } }) => {
    const words = search.toLowerCase().split(/\s+/).filter(Boolean)
    const { found, states } = area === 'orders' ? findOrders(words, wanted) : findRows(area, words, wanted)
    const pages = Math.max(1, Math.ceil(found.length / PAGE))
    const at = Math.min(page, pages)
    // Oldest first in memory.
    const cut = found.slice(Math.max(0, found.length - at * PAGE), found.length - (at - 1) * PAGE).reverse()
    return { total: found.length, page: at, pages, states, items: withDetails(area, cut) }
  })

  function findOrders (words: string[], wanted = ''): Found {
    const { orders, states } = ordersSearch.find(words, wanted)
    return { found: orders as readonly unknown[] as readonly Row[], states }
  }

  function findRows (area: string, words: string[], wanted = ''): Found {
    const all = rowsOf(area)
    const matching = words.length === 0 ? all : all.filter(row => words.every(word => occurs(word, row)))
    const stateOf = stateReader(area)
    const states: Record<string, number> = {}
    for (const row of matching) states[stateOf(row)] = (states[stateOf(row)] ?? 0) + 1
    return { found: wanted === '' ? matching : matching.filter(row => stateOf(row) === wanted), states }
  }

  /** Oldest first. */
  function rowsOf (area: string): Row[] {
    if (area === 'notifications') return state.deliveries as unknown as Row[]
    if (area === 'calls') return journal.list().reverse() as unknown as Row[]
    const records = [
      ...Object.entries(TABLES[area] ?? {}).flatMap(([table, columns]) => [...state.memory.table<Row>(table).values()].map(row => searchableRow(table, columns, row))),
      ...Object.entries(LISTS[area] ?? {}).flatMap(([list, columns]) => state.memory.list<Row>(list).map(row => searchableRow(list, columns, row)))
    ]
    return records.sort((row, other) => row.at < other.at ? -1 : row.at > other.at ? 1 : 0) as unknown as Row[]
  }

  /** The state by which an area's rows are filtered. */
  function stateReader (area: string): (row: Row) => string {
    if (area === 'calls') return row => String(row.verdict)
    if (area === 'notifications') return row => deliveryState(row as unknown as Delivery)
    return row => String(row.state)
  }

  function indexDeliveries (): void {
    for (; indexed < state.deliveries.length; indexed++) {
      const delivery = state.deliveries[indexed] as Delivery
      const known = deliveriesOf.get(delivery.out_trade_no)
      if (known) known.push(delivery)
      else deliveriesOf.set(delivery.out_trade_no, [delivery])
    }
  }

  function withDetails (area: string, rows: Row[]): object[] {
    if (area === 'notifications') {
      const scheduled = notifier.scheduled()
      return (rows as unknown as Delivery[]).map(delivery => ({ ...delivery, state: deliveryState(delivery), next: scheduled.find(next => isNextOf(next, delivery))?.at ?? '' }))
    }
    if (area !== 'orders') return rows
    const scheduled = notifier.scheduled()
    const orders = (rows as unknown as Order[]).map(order => pay.orders.find(order.out_trade_no, order.sub_mch_id) ?? order)
    indexDeliveries()
    return orders.map(order => ({
      ...order,
      state: stateOfOrder(order),
      left: order.transaction_id === '' ? 0 : pay.refunds.left(order),
      next: scheduled.filter(next => next.out_trade_no === order.out_trade_no).map(({ at, attempt, about }) => ({ at, attempt, about })),
      deliveries: (deliveriesOf.get(order.out_trade_no) ?? []).map((delivery: Delivery) => ({ at: delivery.sent_at, state: deliveryState(delivery), about: delivery.about })),
      refunds: pay.refunds.ofOrder(order).map(({ out_refund_no: number, refund_fee: fee, refund_status: status, created_at: at }) => ({ out_refund_no: number, refund_fee: fee, refund_status: status, at: new Date(at).toISOString() }))
    }))
  }
}

interface Found { found: readonly Row[], states: Record<string, number> }

const deliveryState = ({ accepted, reply, error }: Delivery) => accepted ? 'accepted' : reply === null && error === null ? 'underWay' : 'failed'

const isNextOf = (next: Scheduled, { about, out_trade_no: order, out_refund_no: refund, url, attempt }: Delivery) =>
  next.attempt === attempt + 1 && next.about === about && next.out_trade_no === order && next.out_refund_no === refund && next.url === url

/** The number of records of each kind, without reading them. */
export function countRecords (state: State, journal: Journal): Record<string, number> {
  const sum = (sizes: number[]) => sizes.reduce((total, size) => total + size, 0)
  return {
    orders: state.orders.size,
    ...Object.fromEntries(Object.entries(TABLES).map(([area, tables]) => [area, sum(Object.keys(tables).map(table => state.memory.table(table).size))])),
    ...Object.fromEntries(Object.entries(LISTS).map(([area, lists]) => [area, sum(Object.keys(lists).map(list => state.memory.list(list).length))])),
    notifications: state.deliveries.length,
    calls: journal.count()
  }
}

function searchableRow (table: string, columns: Columns, record: Row): Shown {
  const of = (member: string | undefined) => {
    const value = member === undefined ? undefined : record[member]
    return typeof value === 'string' || typeof value === 'number' ? value : ''
  }
  const amount = of(columns.amount)
  return { key: `${table}/${of(columns.number)}`, table, number: String(of(columns.number)), name: String(of(columns.name)), ...(typeof amount === 'number' && { amount }), state: String(of(columns.state)), at: isoTime(of(columns.time)), record }
}

function isoTime (value: string | number): string {
  if (value === '') return ''
  const compact = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/.exec(String(value))
  const date = new Date(compact ? `${compact.slice(1, 4).join('-')}T${compact.slice(4).join(':')}+08:00` : value)
  return Number.isNaN(date.getTime()) ? '' : date.toISOString()
}

/** Searches all strings and numbers at any depth. `word`: lower case. */
function occurs (word: string, value: unknown): boolean {
  if (typeof value === 'string') return value.toLowerCase().includes(word)
  if (typeof value === 'number') return String(value).includes(word)
  if (value === null || typeof value !== 'object') return false
  for (const member of Object.values(value)) if (occurs(word, member)) return true
  return false
}
