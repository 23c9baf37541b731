/** Actions scheduled on the emulator's clock: when the clock is moved, everything that is due happens. */
import type { State } from './state.ts'

interface Task { since: number, delay: number, run (): void, timer: NodeJS.Timeout }

export function createScheduler (state: Pick<State, 'now' | 'events'>) {
  const waiting = new Map<string, Task>()

  /** `since`: milliseconds on the emulator's clock; `delay`: milliseconds from then. A later one with the same key replaces it. */
  function schedule (key: string, since: number, delay: number, run: () => void): void {
    clearTimeout(waiting.get(key)?.timer)
    // At most the delay itself, even if the clock was moved back, or was ahead before a restart.
    const wait = Math.min(Math.max(since + delay - state.now(), 0), delay)
    const timer = setTimeout(() => {
      waiting.delete(key)
      run()
    }, wait)
    timer.unref()
    waiting.set(key, { since, delay, run, timer })
  }

  const onClock = () => { for (const [key, { since, delay, run }] of [...waiting]) schedule(key, since, delay, run) }
  state.events.on('clock', onClock)

  return {
    schedule,
    close (): void {
      state.events.off('clock', onClock)
      for (const { timer } of waiting.values()) clearTimeout(timer)
      waiting.clear()
    }
  }
}
