/** What happens by itself after a while on this WeChat's calendar: seconds as WeChat has them, times `timeScale`. */
import { createAppointments } from './appointments.ts'
import type { World } from './state.ts'

export interface Timers {
  after (seconds: number, run: () => void): void
  close (): void
}

export function createTimers (world: Pick<World, 'timeScale' | 'events' | 'now'>): Timers {
  const appointments = createAppointments(world)
  let count = 0
  return {
    after (seconds, run) {
      appointments.make(String(++count), world.now(), seconds * 1000 * world.timeScale, () => {
        run()
        world.events.emit('change')
      })
    },
    close: appointments.close
  }
}
