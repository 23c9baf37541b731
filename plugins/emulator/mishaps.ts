/** What can happen to a notification on its way, on command or by chance with a seed. */

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

/** How likely each mishap is, from 0 to 1; the same seed gives the same bad day. */
export type Chaos = { seed: number } & Partial<Record<Mishap['kind'], number>>

export function createMishaps () {
  const waiting: Array<Mishap & { times: number }> = []
  const held = new Set<() => void>()
  let chaos: Chaos | undefined
  let random = () => 0

  function byChance (): Mishap | undefined {
    if (!chaos) return undefined
    const { seed: _seed, ...odds } = chaos
    let draw = random()
    for (const [kind, probability] of Object.entries(odds)) {
      draw -= probability
      if (draw < 0) return { kind: kind as Mishap['kind'], ms: Math.floor(random() * 50), copies: 2 + Math.floor(random() * 3) }
    }
  }

  return {
    add: (mishap: Mishap) => { waiting.push({ times: 1, ...mishap }) },
    setChaos (wanted: Chaos | undefined): void {
      chaos = wanted
      random = wanted ? seeded(wanted.seed) : random
    },
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
      chaos = undefined
    }
  }
}

/** mulberry32: small, and good enough for bad days. */
function seeded (seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export type Mishaps = ReturnType<typeof createMishaps>
