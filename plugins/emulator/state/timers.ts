/** What happens by itself after a while: seconds as WeChat has them, times `timeScale`. */
import type { World } from './world.ts'

export interface Timers {
  after (seconds: number, run: () => void): void
  close (): void
}

export function createTimers (world: Pick<World, 'timeScale' | 'events'>): Timers {
  const waiting = new Set<NodeJS.Timeout>()
  return {
    after (seconds, run) {
      const timer = setTimeout(() => {
        waiting.delete(timer)
        run()
        world.events.emit('change')
      }, seconds * 1000 * world.timeScale)
      timer.unref()
      waiting.add(timer)
    },
    close () { for (const timer of waiting) clearTimeout(timer) }
  }
}
