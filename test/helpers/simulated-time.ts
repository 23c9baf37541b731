/** A simulated clock that jumps from event to event, so that a day passes in seconds. */
import type { Clock } from '../../src/clock.ts'

interface Event { at: number, happen: () => void }

export function simulatedTime () {
  const events: Event[] = []
  let now = 0
  const outside = new Set<Promise<unknown>>()

  function schedule (event: Event) {
    let [low, high] = [0, events.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (events[middle]!.at <= event.at) low = middle + 1
      else high = middle
    }
    events.splice(low, 0, event)
  }

  const clock: Clock = {
    now: () => now,
    sleep: ms => new Promise(resolve => schedule({ at: now + ms, happen: resolve })),
    every (ms, act) {
      const timer = { stopped: false }
      const next = () => schedule({
        at: now + ms,
        happen () {
          if (timer.stopped) return
          act()
          next()
        }
      })
      next()
      return () => { timer.stopped = true }
    }
  }

  return {
    clock,
    /** Stops the clock while waiting for real I/O. */
    async real<T> (work: Promise<T>): Promise<T> {
      outside.add(work)
      return await work.finally(() => { outside.delete(work) })
    },
    async run (until: number): Promise<void> {
      while (events[0] && events[0].at <= until) {
        const event = events.shift() as Event
        now = event.at
        event.happen()
        do await new Promise(resolve => setImmediate(resolve)); while (outside.size > 0)
      }
      now = until
    }
  }
}
