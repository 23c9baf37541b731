/** Random faults with a seed: the same seed gives the same faults. */

/** Draws one of the faults by its probability (0 to 1), or none. */
export interface RandomFaults { draw (odds: Readonly<Record<string, number>>): string | undefined, below (limit: number): number }

export function createRandomFaults (seed: number): RandomFaults {
  const random = mulberry32(seed)
  return {
    draw (odds) {
      let drawn = random()
      for (const [name, probability] of Object.entries(odds)) {
        drawn -= probability
        if (drawn < 0) return name
      }
    },
    below: limit => Math.floor(random() * limit)
  }
}

/** A small pseudorandom generator, sufficient for faults. */
function mulberry32 (seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
