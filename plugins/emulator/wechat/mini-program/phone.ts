/** Phone numbers: the code from the phone number button, and the call that redeems it. */
import type { Timed, State } from '../../state/state.ts'
import type { OfficialAccount } from '../official-account.ts'
import { bodyJson, refuse, withRid } from '../wire.ts'
import { CODE_LIFE } from './login.ts'
import type { Routes } from '../routes.ts'

interface PhoneCode extends Timed { phone: string, used: boolean }

export function phoneNumbers (app: Routes, state: State, account: OfficialAccount) {
  const codes = state.memory.table<PhoneCode>('phoneCodes')

  app.post<{ Querystring: { access_token?: string } }>('/wxa/business/getuserphonenumber', async request => {
    const problem = account.tokenProblem(request.query.access_token)
    if (problem) return withRid(problem, state)
    const code = codes.get(String(bodyJson(request)?.code))
    if (!code || code.until <= state.now()) return withRid(refuse(40029, 'invalid code'), state)
    if (code.used) return withRid(refuse(40163, 'code been used'), state)
    code.used = true
    const { phone } = code
    return { errcode: 0, errmsg: 'ok', phone_info: { phoneNumber: phone, purePhoneNumber: phone, countryCode: '86', watermark: { timestamp: Math.floor(state.wireNow() / 1000), appid: state.account.appId } } }
  })

  return {
    /** The code that the button returns to the page. */
    phoneCode (phone = '13800000000'): string {
      const code = state.random.hex(32)
      codes.set(code, { phone, used: false, until: state.now() + CODE_LIFE })
      return code
    }
  }
}
