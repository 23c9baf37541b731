/**
 * Searches a hundred thousand orders within ten milliseconds: their texts are kept in lower case, some hundred orders to a
 * string, and written anew only for those that have changed since the last search.
 */
import type { Order } from '../state/state.ts'

/** Orders to a string: few enough to write it anew for one of them. */
const TOGETHER = 256

interface Shelf {
  orders: Order[]
  /** As they were last counted. */
  states: string[]
  /** Undefined: to be written. */
  text: string | undefined
  /** Where each order's part begins, and where the last one ends. */
  starts: number[]
}

export interface FoundOrders {
  /** Oldest first; not to be changed. */
  orders: readonly Order[]
  /** How many are in each state. */
  states: Record<string, number>
}

export function createOrderSearch (stateOf: (order: Order) => string) {
  const changed = new Set<Order>()
  const all: Order[] = []
  const shelves: Shelf[] = []
  const places = new Map<Order, { shelf: Shelf, at: number }>()
  const counts: Record<string, number> = {}

  function takeChanges (): void {
    for (const order of changed) {
      const { shelf, at } = places.get(order) ?? newPlace(order)
      const [before, state] = [shelf.states[at], stateOf(order)]
      if (before !== undefined) counts[before]!--
      counts[state] = (counts[state] ?? 0) + 1
      shelf.states[at] = state
      shelf.text = undefined
    }
    changed.clear()
  }

  function newPlace (order: Order) {
    let shelf = shelves.at(-1)
    if (!shelf || shelf.orders.length >= TOGETHER) {
      shelf = { orders: [], states: [], text: undefined, starts: [] }
      shelves.push(shelf)
    }
    const place = { shelf, at: shelf.orders.push(order) - 1 }
    places.set(order, place)
    all.push(order)
    return place
  }

  /** Tells the places of those that hold all of these words. */
  function search (shelf: Shelf, [first = '', ...others]: string[], found: (at: number) => void): void {
    shelf.text ??= write(shelf)
    const { text, starts } = shelf
    for (let hit = text.indexOf(first), at = 0; hit !== -1; hit = text.indexOf(first, starts[++at])) {
      while ((starts[at + 1] as number) <= hit) at++
      const part = others.length === 0 ? '' : text.slice(starts[at], starts[at + 1])
      if (others.every(word => part.includes(word))) found(at)
    }
  }

  return {
    /** Once an order is there, and whenever something of it may have changed. */
    changed: (order: Order): void => { changed.add(order) },
    /** Those that hold all of these words, in lower case and without blanks, and are in this state; '': in any. */
    find (words: string[], state: string): FoundOrders {
      takeChanges()
      if (words.length === 0) return { orders: state === '' ? all : withState(state), states: Object.fromEntries(Object.entries(counts).filter(([, many]) => many > 0)) }
      const orders: Order[] = []
      const states: Record<string, number> = {}
      const wanted = words.map(bytes)
      for (const shelf of shelves) {
        search(shelf, wanted, at => {
          const is = shelf.states[at] as string
          states[is] = (states[is] ?? 0) + 1
          if (state === '' || state === is) orders.push(shelf.orders[at] as Order)
        })
      }
      return { orders, states }
    }
  }

  function withState (state: string): Order[] {
    const found: Order[] = []
    for (const { orders, states } of shelves) for (let at = 0; at < orders.length; at++) if (states[at] === state) found.push(orders[at] as Order)
    return found
  }
}

/** UTF-8, a character to a byte: half the size of a string with Chinese in it. */
const bytes = (text: string) => Buffer.from(text).toString('latin1')

function write (shelf: Shelf): string {
  const parts = shelf.orders.map(order => bytes(`${textsIn(order)}\n`.toLowerCase()))
  shelf.starts = [0]
  let end = 0
  for (const part of parts) shelf.starts.push(end += part.length)
  return parts.join('')
}

/** All strings and numbers at any depth, each on a line: no word goes over its end. */
function textsIn (value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number') return String(value)
  if (value === null || typeof value !== 'object') return ''
  let texts = ''
  for (const member of Object.values(value)) texts += `${textsIn(member)}\n`
  return texts
}
