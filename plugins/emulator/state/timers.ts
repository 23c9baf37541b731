/** Timers on the emulator's clock: WeChat's delays in seconds, times `timeScale`. */
import { createScheduler } from './scheduler.ts'
import type { State } from './state.ts'

export interface Timers {
  after (seconds: number, run: () => void): void
  close (): void
}

export function createTimers (state: Pick<State, 'timeScale' | 'events' | 'now'>): Timers {
  const scheduler = createScheduler(state)
  let count = 0
  return {
    after (seconds, run) {
      scheduler.schedule(String(++count), state.now(), seconds * 1000 * state.timeScale, () => {
        run()
        state.events.emit('change')
      })
    },
    close: scheduler.close
  }
}
