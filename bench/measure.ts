/** Measures competitors side by side in one run, because only ratios of measurements from the same time are meaningful. */

export interface Competitor {
  name: string
  /** Runs the operation `times` times. */
  run (times: number): unknown
  /** Operations per round; fewer for slow operations. */
  times: number
}

export interface Measured {
  name: string
  /** Median of the rounds, in nanoseconds per operation. */
  ns: number
  /** Ratio to the first competitor. */
  ratio: number
}

const ROUNDS = 21

/** Nanoseconds on the clock. */
const wallTime = () => Number(process.hrtime.bigint())

/** Nanoseconds of this process's processors: what else the machine does hardly counts. For work that waits for no other process. */
export function processorTime (): number {
  const { user, system } = process.cpuUsage()
  return (user + system) * 1000
}

/** Rounds interleaved, each round in another order; the first competitor is the floor that the others are compared with. */
export async function measure (competitors: readonly Competitor[], rounds = ROUNDS, now = wallTime): Promise<Measured[]> {
  const seen = new Map(competitors.map(({ name }) => [name, [] as number[]]))
  for (const { run, times } of competitors) await run(times)
  for (let round = 0; round < rounds; round++) {
    for (let at = 0; at < competitors.length; at++) {
      const { name, run, times } = competitors[(at + round) % competitors.length]!
      const begun = now()
      await run(times)
      seen.get(name)!.push((now() - begun) / times)
    }
  }
  const floor = median(seen.get(competitors[0]!.name)!)
  return competitors.map(({ name }) => {
    const ns = median(seen.get(name)!)
    return { name, ns, ratio: ns / floor }
  })
}

export function median (numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[sorted.length >> 1]!
}

export function table (title: string, rows: readonly Measured[]): void {
  console.log(`\n${title}`)
  for (const { name, ns, ratio } of rows) {
    const time = ns < 10_000 ? `${ns.toFixed(0)} ns` : `${(ns / 1000).toFixed(1)} µs`
    console.log(`  ${name.padEnd(48)} ${time.padStart(10)} ${`× ${ratio.toFixed(2)}`.padStart(10)}`)
  }
}
