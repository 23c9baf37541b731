/** WeChat's refusals, kept for a short while so that callers do not turn them into a flood. */
import type { Clock } from '../clock.ts'
import { WechatApiError, WechatError } from '../errors.ts'
import type { StoreGuard } from '../store/guard.ts'
import type { Store } from '../store/store.ts'
import { errorCode } from './error-codes.ts'

/** Milliseconds each kind of failure is waited out. */
const QUOTA_FOR = 60_000
const REFUSED_FOR = 10_000
const FAULT_FOR = 1000

/** Verdicts on the account, the same from every machine: worth telling the other processes. */
const ACCOUNT_VERDICTS = new Set(['45009', '40013', '40125', '50004', '50007'])

export interface RefusalParts {
  /** What was refused, in errors. */
  name: string
  /** Where the processes tell each other. */
  key: string
  store: Store
  guard: StoreGuard
  clock: Pick<Clock, 'now'>
}

export interface Refusals {
  /** The failure that is still being waited out. */
  standing (): WechatError | undefined
  note (error: unknown, tellOthers: boolean): Promise<void>
  /** @throws WechatApiError if another process was refused a moment ago */
  heed (): Promise<void>
  forget (): void
}

export function createRefusals ({ name, key, store, guard, clock }: RefusalParts): Refusals {
  let failure: { error: WechatError, until: number } | undefined

  return {
    standing: () => failure && clock.now() < failure.until ? failure.error : undefined,

    async note (error, tellOthers) {
      if (!(error instanceof WechatError) || error === failure?.error) return
      const verdict = error instanceof WechatApiError && !error.retryable
      const ms = error.wechatCode === '45009' ? QUOTA_FOR : verdict ? REFUSED_FOR : FAULT_FOR
      failure = { error, until: clock.now() + ms }
      if (!tellOthers || !ACCOUNT_VERDICTS.has(error.wechatCode ?? '')) return
      const memo = JSON.stringify({ wechatCode: error.wechatCode, wechatMessage: error.wechatMessage })
      await guard.ask(() => store.note(key, memo, ms))
    },

    async heed () {
      const told = (await guard.ask(() => store.read(key)))?.answer
      if (!told) return
      let said: { wechatCode?: unknown, wechatMessage?: unknown } = {}
      try { said = JSON.parse(told.value) } catch { /* rubbish at our key still means: wait until it is gone */ }
      const wechatCode = String(said.wechatCode)
      const error = new WechatApiError(`${name} was refused by WeChat a moment ago: ${wechatCode} ${said.wechatMessage}`, {
        ...errorCode(wechatCode), wechatCode, wechatMessage: String(said.wechatMessage)
      })
      failure = { error, until: clock.now() + told.ttl }
      throw error
    },

    forget () { failure = undefined }
  }
}
