/** The order in which to try WeChat's hosts: one that has just failed is tried last for a while. */

/** Milliseconds that a failed host is tried last. */
const AVOIDED_FOR = 30_000

export function createHosts () {
  const failedAt = new Map<string, number>()
  const avoided = (base: string) => performance.now() - (failedAt.get(base) ?? -Infinity) < AVOIDED_FOR

  return {
    /** Keeps the given order, but moves recently failed hosts to the end. */
    healthyFirst: (bases: readonly string[]) => failedAt.size === 0 ? bases : [...bases.filter(base => !avoided(base)), ...bases.filter(avoided)],
    failed: (base: string) => { failedAt.set(base, performance.now()) },
    answered: (base: string) => { failedAt.delete(base) }
  }
}
