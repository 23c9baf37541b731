/** Spreads work over turns of the event loop, so that two hundred messages at once do not block it. */

/** Maximum milliseconds of such work per turn of the event loop. */
const SLICE = 1

const waiting: Array<() => void> = []
/** When the current turn's share is used up. */
let end = 0
/** Whether some work has started in this turn. */
let isStarted = false
let isReleasing = false

/**
 * Call it before CPU work. Returns undefined for the first caller in a turn of the event loop, and a promise for the others,
 * which resolves in order: after the previous work has run, or in a later turn if this turn's share is used up.
 */
export function fairTurn (): Promise<void> | undefined {
  if (!isStarted) return start()
  return new Promise(resolve => {
    waiting.push(resolve)
    if (isReleasing) return
    isReleasing = true
    queueMicrotask(release)
  })
}

function start (): undefined {
  isStarted = true
  end = performance.now() + SLICE
  setImmediate(() => {
    isStarted = false
    if (waiting.length === 0) return
    start()
    isReleasing = true
    release()
  })
}

function release (): void {
  isReleasing = waiting.length > 0 && performance.now() < end
  if (!isReleasing) return
  waiting.shift()?.()
  // As a microtask, so that it runs after the work that was just released.
  queueMicrotask(release)
}
