/** Which of WeChat's hosts to ask first: one that has just failed waits at the end of the row for a while. */

/** Milliseconds a host that failed is asked last. */
const AVOIDED_FOR = 30_000

export function createHosts () {
  const failedAt = new Map<string, number>()
  const avoided = (base: string) => performance.now() - (failedAt.get(base) ?? -Infinity) < AVOIDED_FOR

  return {
    /** The given order, with the hosts that failed lately behind the others. */
    healthyFirst: (bases: readonly string[]) => [...bases.filter(base => !avoided(base)), ...bases.filter(avoided)],
    failed: (base: string) => { failedAt.set(base, performance.now()) },
    answered: (base: string) => { failedAt.delete(base) }
  }
}
