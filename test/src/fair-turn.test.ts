import t from 'tap'
import { fairTurn } from '../../src/fair-turn.ts'

/** Occupies the event loop for longer than a turn's share. */
function work (): void {
  const end = performance.now() + 3
  while (performance.now() < end) { /* busy */ }
}

/** Starts `count` at once; returns the order in which they ran, with a '-' for each turn of the event loop in between. */
async function together (count: number, work: () => void): Promise<string[]> {
  const seen: string[] = []
  let over = false
  const tick = () => {
    if (over) return
    seen.push('-')
    setImmediate(tick)
  }
  setImmediate(tick)
  await Promise.all(Array.from({ length: count }, async (_none, at) => {
    const turn = fairTurn()
    if (turn) await turn
    work()
    seen.push(String(at))
  }))
  over = true
  return seen
}

t.test('much work at once runs in order, with turns for other work in between', async t => {
  const seen = await together(10, work)
  t.same(seen.filter(mark => mark !== '-'), Array.from({ length: 10 }, (_none, at) => String(at)))
  for (let at = 1; at < seen.length; at++) t.ok(seen[at - 1] === '-' || seen[at] === '-', `after ${seen[at - 1]} others have their turn`)
})

t.test('the first caller in a turn does not wait', async t => {
  await new Promise(resolve => setImmediate(resolve))
  t.equal(fairTurn(), undefined)
  t.ok(fairTurn() instanceof Promise)
})

t.test('a failure does not block the others', async t => {
  const results = await Promise.allSettled(Array.from({ length: 5 }, async (_none, at) => {
    await fairTurn()
    work()
    if (at % 2 === 0) throw new Error('no')
    return at
  }))
  t.same(results.map(({ status }) => status), ['rejected', 'fulfilled', 'rejected', 'fulfilled', 'rejected'])
})
