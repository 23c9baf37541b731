import { setTimeout as sleep } from 'node:timers/promises'

/** Polls `look` until it returns a value, for conditions without an event. Ends with the test's timeout otherwise. */
export async function until<T> (look: () => T | Promise<T>): Promise<NonNullable<T>> {
  for (;;) {
    const found = await look()
    if (found) return found
    await sleep(10)
  }
}
