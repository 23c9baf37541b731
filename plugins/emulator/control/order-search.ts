/**
 * Searches 100,000 orders in some 20 ms: their texts are kept in lower case, 256 orders in a string, and only rewritten for
 * orders that have changed since the last search.
 */
import type { Order } from '../state/state.ts'

/** Orders per string: few enough to rewrite the string for one of them. */
const CHUNK_SIZE = 256

interface Chunk {
  orders: Order[]
  /** As last counted. */
  states: string[]
  /** Undefined: must be rewritten. */
  text: string | undefined
  /** The start of each order's part, and the end of the last one. */
  starts: number[]
}

export interface FoundOrders {
  /** Oldest first; do not modify. */
  orders: readonly Order[]
  /** The number of orders by state. */
  states: Record<string, number>
}

export function createOrderSearch (stateOf: (order: Order) => string) {
  const changed = new Set<Order>()
  const all: Order[] = []
  const chunks: Chunk[] = []
  const places = new Map<Order, { chunk: Chunk, at: number }>()
  const counts: Record<string, number> = {}

  function takeChanges (): void {
    for (const order of changed) {
      const { chunk, at } = places.get(order) ?? newPlace(order)
      const [before, state] = [chunk.states[at], stateOf(order)]
      if (before !== undefined) counts[before]!--
      counts[state] = (counts[state] ?? 0) + 1
      chunk.states[at] = state
      chunk.text = undefined
    }
    changed.clear()
  }

  function newPlace (order: Order) {
    let chunk = chunks.at(-1)
    if (!chunk || chunk.orders.length >= CHUNK_SIZE) {
      chunk = { orders: [], states: [], text: undefined, starts: [] }
      chunks.push(chunk)
    }
    const place = { chunk, at: chunk.orders.push(order) - 1 }
    places.set(order, place)
    all.push(order)
    return place
  }

  /** Calls `found` with the position of each order that contains all words. */
  function search (chunk: Chunk, [first = '', ...others]: string[], found: (at: number) => void): void {
    chunk.text ??= write(chunk)
    const { text, starts } = chunk
    for (let hit = text.indexOf(first), at = 0; hit !== -1; hit = text.indexOf(first, starts[++at])) {
      while ((starts[at + 1] as number) <= hit) at++
      const part = others.length === 0 ? '' : text.slice(starts[at], starts[at + 1])
      if (others.every(word => part.includes(word))) found(at)
    }
  }

  return {
    /** Call it for each new order, and whenever an order may have changed. */
    changed: (order: Order): void => { changed.add(order) },
    /** The orders that contain all words (lower case, without spaces) and are in this state; '': any state. */
    find (words: string[], state: string): FoundOrders {
      takeChanges()
      if (words.length === 0) return { orders: state === '' ? all : withState(state), states: Object.fromEntries(Object.entries(counts).filter(([, many]) => many > 0)) }
      const orders: Order[] = []
      const states: Record<string, number> = {}
      const wanted = words.map(bytes)
      for (const chunk of chunks) {
        search(chunk, wanted, at => {
          const is = chunk.states[at] as string
          states[is] = (states[is] ?? 0) + 1
          if (state === '' || state === is) orders.push(chunk.orders[at] as Order)
        })
      }
      return { orders, states }
    }
  }

  function withState (state: string): Order[] {
    const found: Order[] = []
    for (const { orders, states } of chunks) for (let at = 0; at < orders.length; at++) if (states[at] === state) found.push(orders[at] as Order)
    return found
  }
}

/** UTF-8 as a string with one character per byte: half the size of a string that contains Chinese. */
const bytes = (text: string) => Buffer.from(text).toString('latin1')

function write (chunk: Chunk): string {
  const parts = chunk.orders.map(order => bytes(`${textsIn(order)}\n`.toLowerCase()))
  chunk.starts = [0]
  let end = 0
  for (const part of parts) chunk.starts.push(end += part.length)
  return parts.join('')
}

/** All strings and numbers at any depth, one per line, so that no word matches across two of them. */
function textsIn (value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number') return String(value)
  if (value === null || typeof value !== 'object') return ''
  let texts = ''
  for (const member of Object.values(value)) texts += `${textsIn(member)}\n`
  return texts
}
