/** `diagnose()`: loaded when it is called, so that a server that starts does not wait for it. */
import type { Diagnosis } from './doctor/diagnose.ts'
import type { DiagnoseOptions, DiagnoseSettings } from './doctor/patient.ts'

/**
 * Whether this configuration works: keys, account, payments, the way to WeChat and back, Redis, the host's own handlers.
 * `options`: those of `app.register(wechatPay, …)`. Takes seconds. It changes nothing at WeChat: it reads, and asks about
 * numbers that cannot exist; in Redis it takes and frees one lock of its own. Nothing it answers holds a secret.
 * What is wrong with the options is in the answer, never thrown.
 */
export async function diagnose (options: DiagnoseOptions, settings: DiagnoseSettings = {}): Promise<Diagnosis> {
  const { examine } = await import('./doctor/diagnose.ts')
  return await examine(options, settings)
}
