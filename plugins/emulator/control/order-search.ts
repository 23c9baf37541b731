/**
 * Searches a hundred thousand orders within ten milliseconds: their texts are kept in lower case, some hundred orders to a
 * string, and written anew only for those that have changed since the last search.
 */
import type { Order } from '../state/state.ts'

/** Orders to a string: few enough to write it anew for one of them. */
const TOGETHER = 256

interface Shelf {
  orders: Order[]
  /** Undefined: to be written. */
  text: string | undefined
  /** Where each order's part begins, and where the last one ends. */
  starts: number[]
}

export interface FoundOrders {
  /** Oldest first. */
  orders: Order[]
  /** How many are in each state. */
  states: Record<string, number>
}

export function createOrderSearch (stateOf: (order: Order) => string) {
  const changed = new Set<Order>()
  const shelves: Shelf[] = []
  const places = new Map<Order, { shelf: Shelf, state: string }>()
  const counts = new Map<string, number>()

  const count = (state: string, by: 1 | -1) => counts.set(state, (counts.get(state) ?? 0) + by)

  function takeChanges (): void {
    for (const order of changed) {
      const state = stateOf(order)
      const place = places.get(order) ?? newPlace(order)
      if (place.state !== state) {
        if (place.state !== '') count(place.state, -1)
        count(state, 1)
        place.state = state
      }
      place.shelf.text = undefined
    }
    changed.clear()
  }

  function newPlace (order: Order) {
    let shelf = shelves.at(-1)
    if (!shelf || shelf.orders.length >= TOGETHER) {
      shelf = { orders: [], text: undefined, starts: [] }
      shelves.push(shelf)
    }
    shelf.orders.push(order)
    const place = { shelf, state: '' }
    places.set(order, place)
    return place
  }

  function findIn (shelf: Shelf, [first = '', ...others]: string[], found: Order[]): void {
    const text = shelf.text ??= write(shelf)
    const { orders, starts } = shelf
    for (let hit = text.indexOf(first), at = 0; hit !== -1; hit = text.indexOf(first, starts[++at])) {
      while ((starts[at + 1] as number) <= hit) at++
      const part = others.length === 0 ? '' : text.slice(starts[at], starts[at + 1])
      if (others.every(word => part.includes(word))) found.push(orders[at] as Order)
    }
  }

  return {
    /** Once an order is there, and whenever something of it may have changed. */
    changed: (order: Order): void => { changed.add(order) },
    /** Those that hold all of these words, in lower case and without blanks, and are in this state; '': in any. */
    find (words: string[], state: string): FoundOrders {
      takeChanges()
      const inState = (orders: Order[]) => state === '' ? orders : orders.filter(order => places.get(order)?.state === state)
      if (words.length === 0) {
        return { orders: inState(shelves.flatMap(({ orders }) => orders)), states: Object.fromEntries([...counts].filter(([, many]) => many > 0)) }
      }
      const found: Order[] = []
      const wanted = words.map(bytes)
      for (const shelf of shelves) findIn(shelf, wanted, found)
      const states: Record<string, number> = {}
      for (const order of found) {
        const is = places.get(order)?.state as string
        states[is] = (states[is] ?? 0) + 1
      }
      return { orders: inState(found), states }
    }
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
