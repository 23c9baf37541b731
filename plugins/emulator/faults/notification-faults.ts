/** What can happen to a notification on its way, on command or by chance with a seed. */

import type { Chance } from './random-faults.ts'

export interface Mishap {
  /**
   * `drop`: it never arrives, and counts as a failure; `delay`: by `ms`; `hold`: until another has overtaken it (or a
   * second has passed); `duplicate`: `copies` one after another, though accepted; `concurrent`: `copies` at once;
   * `forge`: its signature is wrong.
   */
  kind: 'drop' | 'delay' | 'hold' | 'duplicate' | 'concurrent' | 'forge'
  /** Default 1000. */
  ms?: number
  /** Default 3. */
  copies?: number
  /** How many notifications it meets. Default 1. */
  times?: number
}

/** How likely each mishap of a notification is, from 0 to 1. */
export type MishapOdds = Partial<Record<Mishap['kind'], number>>

export function createMishaps () {
  const waiting: Array<Mishap & { times: number }> = []
  const held = new Set<() => void>()
  let luck: { odds: MishapOdds, chance: Chance } | undefined

  function byChance (): Mishap | undefined {
    const kind = luck?.chance.draw(luck.odds as Record<string, number>) as Mishap['kind'] | undefined
    return kind && luck && { kind, ms: luck.chance.below(50), copies: 2 + luck.chance.below(3) }
  }

  return {
    add: (mishap: Mishap) => { waiting.push({ times: 1, ...mishap }) },
    waiting: () => waiting.map(mishap => ({ ...mishap })),
    setLuck (odds: MishapOdds, chance: Chance): void { luck = { odds, chance } },
    next (): Mishap | undefined {
      const [first] = waiting
      if (!first) return byChance()
      if (--first.times <= 0) waiting.shift()
      return first
    },
    /** Resolves when another notification has gone past. */
    overtaken: () => new Promise<void>(resolve => {
      const go = () => {
        held.delete(go)
        clearTimeout(timer)
        resolve()
      }
      const timer = setTimeout(go, 1000)
      held.add(go)
    }),
    overtake: () => { for (const go of held) go() },
    clear (): void {
      waiting.length = 0
      luck = undefined
    }
  }
}

export type Mishaps = ReturnType<typeof createMishaps>
