/** WeChat's mini program APIs: logins, phone numbers, codes and shipping. */
import type { State } from '../../state/state.ts'
import { accountCalls } from '../official-account-calls.ts'
import type { OfficialAccount } from '../official-account.ts'
import type { PayV2 } from '../v2/v2.ts'
import { pictures } from './codes.ts'
import { logins } from './login.ts'
import { phoneNumbers } from './phone.ts'
import { shipping } from './shipping.ts'
import type { Routes } from '../routes.ts'

export function miniProgram (app: Routes, state: State, account: OfficialAccount, pay: PayV2) {
  const call = accountCalls(app, state, account)
  pictures(call, state)
  shipping(call, state, pay)
  return { ...logins(app, state, account), ...phoneNumbers(app, state, account) }
}

export type MiniProgram = ReturnType<typeof miniProgram>
