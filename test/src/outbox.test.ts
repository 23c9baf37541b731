import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createOutbox } from '../../src/store/outbox.ts'
import { silent } from '../../src/log.ts'
import { testLog } from '../helpers/account.ts'
import { until } from '../helpers/until.ts'

/** A store that can be made unavailable. */
function flaky () {
  const state = { away: true, notes: new Map<string, { value: string, ttl: number }>(), tries: 0 }
  const note = async (key: string, value: string, ttl: number) => {
    state.tries++
    if (state.away) throw new Error('away')
    state.notes.set(key, { value, ttl })
  }
  return { state, note }
}

t.test('N20 failed writes are repeated when the store recovers, and logged once', async t => {
  const { state, note } = flaky()
  const { log, lines } = testLog()
  const box = createOutbox({ set: note }, log, 'successes')
  for (let at = 0; at < 500; at++) await box.put(`key ${at}`, '1', 60_000)
  t.equal(state.tries, 1, 'one attempt detects that it is unavailable')
  await until(() => state.tries > 3)
  t.ok(box.has('key 0') && box.has('key 499'))
  state.away = false
  await until(() => state.notes.size === 500)
  t.equal(state.notes.size, 500)
  await until(() => !box.has('key 499'))
  t.notOk(box.has('key 0') || box.has('key 499'), 'and kept no longer')
  const { ttl } = state.notes.get('key 0') ?? { ttl: 0 }
  t.ok(ttl > 50_000 && ttl < 60_000, 'for the rest of its ttl')
  t.equal(lines.length, 2, lines.join())
})

t.test('an expired entry is dropped, and not written afterwards', async t => {
  const { state, note } = flaky()
  const box = createOutbox({ set: note }, silent, 'successes')
  await box.put('short', '1', 30)
  await box.put('long', '1', 60_000)
  t.ok(box.has('short'))
  await sleep(50)
  t.notOk(box.has('short'))
  state.away = false
  await box.flush()
  await until(() => state.notes.size > 0)
  t.same([...state.notes.keys()], ['long'])
})

t.test('memory is bounded: the oldest entries are dropped first', async t => {
  const { note } = flaky()
  const { log, lines } = testLog()
  const box = createOutbox({ set: note }, log, 'successes')
  for (let at = 0; at < 100_050; at++) await box.put(`key ${at}`, '1', 60_000)
  t.notOk(box.has('key 49'))
  t.ok(box.has('key 50') && box.has('key 100049'))
  t.equal(lines.filter(line => line.includes('dropped')).length, 1)
})

t.test('closing writes pending entries, and does not wait for a hanging store', async t => {
  const { state, note } = flaky()
  const box = createOutbox({ set: note }, silent, 'successes')
  await box.put('key', '1', 60_000)
  state.away = false
  await box.close()
  t.ok(state.notes.has('key'))

  // The first write hangs.
  let calls = 0
  const slow = createOutbox({ set: async () => { if (++calls === 1) await new Promise(() => {}) } }, silent, 'successes')
  slow.put('key', '1', 60_000)
  await slow.close()
  t.equal(calls, 2)

  const { log, lines } = testLog()
  let tries = 0
  const hanging = createOutbox({ set: async () => { if (++tries === 1) throw new Error('away'); await new Promise(() => {}) } }, log, 'successes')
  await hanging.put('key', '1', 60_000)
  await hanging.close()
  t.match(lines.at(-1), /could not be written/)
  const before = tries
  await sleep(600)
  t.equal(tries, before, 'and stops retrying')
  hanging.put('late', '1', 60_000)
  t.equal(tries, before + 1, 'except for late entries')
})
