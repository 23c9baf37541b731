import { setTimeout as sleep } from 'node:timers/promises'

/** Resolves with what `look` finds once that is something; for what sends no event. tap's own time-out ends it if it never is. */
export async function until<T> (look: () => T | Promise<T>): Promise<NonNullable<T>> {
  for (;;) {
    const found = await look()
    if (found) return found
    await sleep(10)
  }
}
