/** T2 with real processes in real time: tokens expire, or are renewed early. */
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { testEmulator } from '../helpers/account.ts'
import { startWorkers } from '../helpers/fleet.ts'
import { skip, startRedis } from '../helpers/redis.ts'

/** Seconds. A process that pauses for a sixth of it misses the renewal; long enough for a busy machine. */
const LIFETIME = 20

t.test('T2 four processes: one token after expiry, and early renewal without waiting', { skip }, async t => {
  const redis = await startRedis()
  t.teardown(redis.stop)
  const emulator = await testEmulator(t, { tokenLifetime: LIFETIME, ticketLifetime: LIFETIME })
  const workers = await startWorkers(t, 4, { ...emulator.config, tokenMode: 'plain' }, redis.port)
  const get = async () => new Set((await Promise.all(workers.map(worker => worker.ask({ callers: 1000, kind: 'get' })))).flat())

  t.equal((await get()).size, 1)
  await sleep(LIFETIME * 1000 + 100)
  t.equal((await get()).size, 1)
  t.match(await emulator.issued(), { tokens: 2, tickets: 2 })

  const before = (await emulator.issued()).tokens
  const seen = (await Promise.all(workers.map(worker => worker.ask({ callers: 1, kind: 'steady', seconds: 2.5 * LIFETIME })))).map(([tokens]) => String(tokens).split(','))
  const issued = (await emulator.issued()).tokens - before
  t.notOk(seen.flat().includes('waited'), 'every token was available immediately')
  t.ok(issued >= 2 && issued <= 4, `${issued} tokens in two and a half lifetimes`)
  t.ok(new Set(seen.flat()).size <= issued + 1, 'and no other token was used')
})
