/** Timers on the emulator's clock: WeChat's delays in seconds, times `timeScale`. */
import { createAppointments } from './appointments.ts'
import type { State } from './state.ts'

export interface Timers {
  after (seconds: number, run: () => void): void
  close (): void
}

export function createTimers (state: Pick<State, 'timeScale' | 'events' | 'now'>): Timers {
  const appointments = createAppointments(state)
  let count = 0
  return {
    after (seconds, run) {
      appointments.make(String(++count), state.now(), seconds * 1000 * state.timeScale, () => {
        run()
        state.events.emit('change')
      })
    },
    close: appointments.close
  }
}
