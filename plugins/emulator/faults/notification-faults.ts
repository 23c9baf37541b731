/** Faults of notifications, on demand or at random with a seed. */

import type { RandomFaults } from './random-faults.ts'

export interface NotificationFault {
  /**
   * `drop`: never sent, and counts as failed; `delay`: by `ms`; `hold`: until another notification was sent (or a
   * second has passed); `duplicate`: `copies` in sequence, even if accepted; `concurrent`: `copies` in parallel;
   * `forge`: with a wrong signature.
   */
  kind: 'drop' | 'delay' | 'hold' | 'duplicate' | 'concurrent' | 'forge'
  /** Default 1000. */
  ms?: number
  /** Default 3. */
  copies?: number
  /** How many notifications it applies to. Default 1. */
  times?: number
}

/** The probability of each fault of notifications, from 0 to 1. */
export type NotificationFaultOdds = Partial<Record<NotificationFault['kind'], number>>

export function createNotificationFaults () {
  const waiting: Array<NotificationFault & { times: number }> = []
  const waiters = new Set<() => void>()
  let random: { odds: NotificationFaultOdds, draws: RandomFaults } | undefined

  function drawRandom (): NotificationFault | undefined {
    const kind = random?.draws.draw(random.odds as Record<string, number>) as NotificationFault['kind'] | undefined
    return kind && random && { kind, ms: random.draws.below(50), copies: 2 + random.draws.below(3) }
  }

  return {
    add: (fault: NotificationFault) => { waiting.push({ times: 1, ...fault }) },
    waiting: () => waiting.map(fault => ({ ...fault })),
    setRandom (odds: NotificationFaultOdds, draws: RandomFaults): void { random = { odds, draws } },
    /** The probabilities of random faults; undefined if they are off. */
    odds: (): NotificationFaultOdds => random?.odds ?? {},
    next (): NotificationFault | undefined {
      const [first] = waiting
      if (!first) return drawRandom()
      if (--first.times <= 0) waiting.shift()
      return first
    },
    /** Resolves when another notification was sent. */
    overtaken: () => new Promise<void>(resolve => {
      const go = () => {
        waiters.delete(go)
        clearTimeout(timer)
        resolve()
      }
      const timer = setTimeout(go, 1000)
      waiters.add(go)
    }),
    overtake: () => { for (const go of waiters) go() },
    /** `kind`: only those of that kind, and no random ones. */
    clear (kind?: string): void {
      if (kind === undefined) random = undefined
      const kept = kind === undefined ? [] : waiting.filter(fault => fault.kind !== kind)
      waiting.splice(0, waiting.length, ...kept)
    }
  }
}

export type NotificationFaults = ReturnType<typeof createNotificationFaults>
