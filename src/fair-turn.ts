/** Leaves the event loop to others in between: of two hundred messages that are there at once, some are read in each turn. */

/** Milliseconds that such work may take in one turn of the event loop. */
const SLICE = 1

const waiting: Array<() => void> = []
/** When this turn's share is used up. */
let end = 0
/** Some of it has begun in this turn. */
let begun = false
let lettingGo = false

/**
 * Undefined for the first in a turn of the event loop; for the others a promise: the next goes when the one before it has
 * begun, or in a later turn if this one's share is used up. First come, first served. Call it before work that takes a while.
 */
export function fairTurn (): Promise<void> | undefined {
  if (!begun) return begin()
  return new Promise(resolve => {
    waiting.push(resolve)
    if (lettingGo) return
    lettingGo = true
    queueMicrotask(letGo)
  })
}

function begin (): undefined {
  begun = true
  end = performance.now() + SLICE
  setImmediate(() => {
    begun = false
    if (waiting.length === 0) return
    begin()
    lettingGo = true
    letGo()
  })
}

function letGo (): void {
  lettingGo = waiting.length > 0 && performance.now() < end
  if (!lettingGo) return
  waiting.shift()?.()
  // As a microtask, it comes after the work that was just let go has begun.
  queueMicrotask(letGo)
}
