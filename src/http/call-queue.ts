/** A limit on concurrent calls; the others wait in a queue, first come, first served. */

export interface CallQueue {
  /** Calls `turn` at once, or when a place becomes free. Returns a function that leaves the queue or frees the place; calling it again does nothing. */
  enter (turn: () => void): () => void
}

export function createCallQueue (limit: number): CallQueue {
  let active = 0
  /** Places that become free in the next turn of the event loop, which is when undici reuses their socket. */
  let releasing = 0
  // In order of arrival; removing from the middle is cheap.
  const waiting = new Set<() => void>()

  function next (): void {
    for (const turn of waiting) {
      if (active + releasing >= limit) return
      waiting.delete(turn)
      active++
      turn()
    }
  }

  function released (): void {
    releasing--
    next()
  }

  return {
    enter (turn) {
      let left = false
      // A new object: a caller may wait twice with the same function.
      const waiter = () => turn()
      // Waiting for a socket that is about to be free is cheaper than a new one.
      if (active + releasing < limit && waiting.size >= releasing) {
        active++
        waiter()
      } else waiting.add(waiter)
      return () => {
        if (left) return
        left = true
        if (waiting.delete(waiter)) return
        active--
        releasing++
        // Runs after the immediate in which undici takes the socket back.
        queueMicrotask(() => { setImmediate(released) })
      }
    }
  }
}
