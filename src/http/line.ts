/** At most so many at a time; the others wait in line, first come, first served. */

export interface Line {
  /** Calls `turn` when it is yours: at once, or once there is room. Returns what leaves the line, or gives the place free; once, however often it is called. */
  enter (turn: () => void): () => void
}

export function createLine (most: number): Line {
  let inside = 0
  /** Places whose socket is free, but not before the next turn of the event loop: so undici has it. */
  let resting = 0
  // In the order of arrival; leaving from the middle costs nothing.
  const waiting = new Set<() => void>()

  function next (): void {
    for (const turn of waiting) {
      if (inside + resting >= most) return
      waiting.delete(turn)
      inside++
      turn()
    }
  }

  function rested (): void {
    resting--
    next()
  }

  return {
    enter (turn) {
      let left = false
      // A caller may wait twice with the same function.
      const own = () => turn()
      // Whoever waits for a socket that rests spares us a new one.
      if (inside + resting < most && waiting.size >= resting) {
        inside++
        own()
      } else waiting.add(own)
      return () => {
        if (left) return
        left = true
        if (waiting.delete(own)) return
        inside--
        resting++
        // Behind the immediate in which undici takes the socket back.
        queueMicrotask(() => { setImmediate(rested) })
      }
    }
  }
}
