/** A simulated day of two hundred processes on one store. */
import Fastify from 'fastify'
import t from 'tap'
import { emulator } from '../../plugins/emulator/server/emulator.ts'
import { createCredential } from '../../src/official-account/credential.ts'
import { silent } from '../../src/log.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import { ACCOUNT } from '../helpers/account.ts'
import { simulatedTime } from '../helpers/simulated-time.ts'

const HOUR = 3600_000
const PROCESSES = 200
/** Average interval between the calls of a process. */
const PAUSE = 480_000
/** WeChat's response time for a token. */
const LATENCY = 400

interface Day { mode: 'stable' | 'plain', hours: number, revocations?: number[] }

async function live ({ mode, hours, revocations = [] }: Day) {
  const { clock, real, run } = simulatedTime()
  const { appId, appSecret } = ACCOUNT
  const app = Fastify()
  await app.register(emulator, { appId, appSecret, now: () => Date.UTC(2026, 10, 23) + clock.now() })
  const store = createMemoryStore(clock)
  const seen = { calls: 0, refused: 0, refusedTwice: 0, errors: 0 }

  const ask = async <T>(method: 'GET' | 'POST', url: string, payload?: object): Promise<T> =>
    (await real(app.inject({ method, url, ...(payload && { payload }) }))).json<T>()

  async function issue (force: boolean) {
    await clock.sleep(LATENCY)
    const given = { grant_type: 'client_credential', appid: appId, secret: appSecret }
    const answer = mode === 'stable'
      ? await ask<Record<string, unknown>>('POST', '/cgi-bin/stable_token', { ...given, force_refresh: force })
      : await ask<Record<string, unknown>>('GET', `/cgi-bin/token?${new URLSearchParams(given)}`)
    return { value: answer.access_token as string, expiresIn: answer.expires_in }
  }

  const accepted = async (token: string) => !('errcode' in await ask<object>('GET', `/cgi-bin/getcallbackip?access_token=${token}`))

  async function oneProcess () {
    const token = createCredential({ name: 'access_token', key: 'key', store, clock, log: silent, issue })
    for (;;) {
      await clock.sleep(PAUSE * 2 * Math.random())
      seen.calls++
      try {
        const used = await token.get()
        if (await accepted(used)) continue
        seen.refused++
        await token.invalidate(used)
        if (!await accepted(await token.get())) seen.refusedTwice++
      } catch {
        seen.errors++
      }
    }
  }

  for (let process = 0; process < PROCESSES; process++) oneProcess()
  for (const at of [...revocations, hours]) {
    await run(at * HOUR)
    if (at < hours) await ask('POST', '/_emulator/tokens/expire')
  }
  const { tokens } = await ask<{ tokens: number }>('GET', '/_emulator/tokens')
  await app.close()
  return { ...seen, tokens }
}

// A token is used for 7190 s and renewed between 204 and 276 s before that, by whichever process comes first: 6914 s on.
const DEMANDED = Math.ceil(24 * HOUR / 6_914_000)

for (const mode of ['stable', 'plain'] as const) {
  t.test(`T2 a day of ${mode} tokens: no more than their lifetime requires, and none is refused`, async t => {
    const seen = await live({ mode, hours: 24 })
    t.equal(seen.tokens, DEMANDED)
    t.match(seen, { refused: 0, refusedTwice: 0, errors: 0 })
    t.ok(seen.calls > 200 * 24 * 6)
  })
}

t.test('T6 six external revocations: one more token for each, and no call is refused twice', async t => {
  const seen = await live({ mode: 'stable', hours: 12, revocations: [1, 3, 4, 5.5, 8, 11] })
  t.match(seen, { refusedTwice: 0, errors: 0 })
  t.ok(seen.refused >= 6)
  t.ok(seen.tokens >= 7 && seen.tokens <= 6 + Math.ceil(12 * HOUR / 6_914_000), `${seen.tokens} tokens`)
})
