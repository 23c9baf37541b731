/** `diagnose()`: loaded on the first call, so that it does not slow down a server's start. */
import type { Diagnosis } from './doctor/diagnose.ts'
import type { DiagnoseOptions, DiagnoseSettings } from './doctor/context.ts'

/**
 * Checks whether this configuration works: keys, account, payments, the network to WeChat and back, Redis, your own handlers.
 * `options`: those of `app.register(wechatPay, …)`. Takes seconds. Changes nothing at WeChat: it only reads, and queries
 * numbers that cannot exist. In Redis it acquires and releases one lock of its own. The result contains no secrets.
 * Problems with the options are in the result; they are never thrown.
 */
export async function diagnose (options: DiagnoseOptions, settings: DiagnoseSettings = {}): Promise<Diagnosis> {
  const { runChecks } = await import('./doctor/diagnose.ts')
  return await runChecks(options, settings)
}
