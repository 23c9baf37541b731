/** WeChat's server APIs for a mini program: login, phone number, codes, and shipping. */
import { WechatApiError, WechatInputError, WechatReplyError } from '../errors.ts'
import { createHttp } from '../http/http.ts'
import { checkCoreOptions } from '../option-shapes.ts'
import { requireId, requireSecret, resolveEndpoints } from '../options.ts'
import { createAccessToken } from '../official-account/access-token.ts'
import type { AccessTokenOptions, WechatToken } from '../official-account/access-token.ts'
import { createApi } from '../official-account/api.ts'
import { isCode, OPENID } from '../official-account/oauth.ts'
import { miniProgramCode } from './code.ts'
import type { CodePicture, CodeRequest } from './code.ts'
import { decryptOpenData } from './decrypt.ts'
import type { DecryptOptions, OpenData, Watermark } from './decrypt.ts'
import { redeemLoginCode } from './login.ts'
import type { MiniProgramSession, SessionProvider } from './login.ts'
import { requireSessionKey, signWithSession } from './session-key.ts'
import { createShipping } from './shipping.ts'
import type { Shipping } from './shipping.ts'

export interface MiniProgramOptions extends AccessTokenOptions {
  /** Replaces WeChat's jscode2session, which needs `appSecret`. */
  sessionProvider?: SessionProvider
  /** The merchant of the orders that `shipping` identifies by `outTradeNo`. */
  merchant?: { mchId: string }
}

export interface PhoneNumber {
  /** With the country code for foreign numbers. */
  phoneNumber: string
  purePhoneNumber: string
  /** For example `86`. */
  countryCode: string
}

export interface WechatMiniProgram {
  readonly appId: string
  /**
   * Redeems a `wx.login` code. It works once, for five minutes.
   * @throws WechatApiError 40029, 40163, 40226 (403), 45011 (503), -1 (502); WechatInputError; WechatReplyError; WechatNetworkError
   */
  login (code: string): Promise<MiniProgramSession>
  /** Whether this is still the visitor's valid session key. */
  checkSession (session: { openid: string, sessionKey: string }): Promise<boolean>
  /** Redeems a code of the button `open-type="getPhoneNumber"` (not a `wx.login` code). @throws WechatApiError 40029 (403) */
  phoneNumber (code: string): Promise<PhoneNumber>
  /**
   * Decrypts the page's `encryptedData`. Its watermark must be from this mini program, and within `maxAge` seconds of now (default 300).
   * @throws WechatInputError; WechatError `WECHAT_DECRYPT` (400)
   */
  decrypt<T extends object = OpenData> (sessionKey: string, iv: string, data: string, options?: DecryptOptions): T & { watermark: Watermark }
  /** Creates a mini program code image. */
  code (wanted: CodeRequest): Promise<CodePicture>
  /** Reports shipping: WeChat withholds the money until then. */
  readonly shipping: Shipping
  /** Only needed without Fastify, at the end of a script or worker: closes the connections to WeChat that no other client of the process shares. */
  disconnect (): Promise<void>
}

const PHONE = '/wxa/business/getuserphonenumber'
const NOT_THE_KEY = '87009'

/** `shared`: the account's existing token client. @throws WechatConfigError that names the missing or wrong option */
export function createMiniProgram (options: MiniProgramOptions, shared?: WechatToken): WechatMiniProgram {
  checkCoreOptions(options)
  const token = shared ?? createAccessToken(options)
  const endpoints = resolveEndpoints(options.endpoints)
  const appId = requireId('appId', options.appId)
  const { sessionProvider, merchant } = options
  const mchId = merchant && requireId('merchant.mchId', merchant.mchId, /^\d{1,32}$/)
  const appSecret = options.appSecret === undefined ? undefined : requireSecret('appSecret', options.appSecret, 32, endpoints.api)
  const http = createHttp(options.http)
  const api = createApi(http, endpoints.api)

  return {
    appId,

    login: async code => await redeemLoginCode({ appId, appSecret, sessionProvider, api }, code),

    async checkSession (session) {
      if (typeof session !== 'object' || session === null) throw new WechatInputError('checkSession', 'takes an object: { openid, sessionKey }')
      const { openid, sessionKey } = session
      if (typeof openid !== 'string' || !OPENID.test(openid)) throw new WechatInputError('openid', 'must be the visitor\'s openid')
      const signature = signWithSession(requireSessionKey(sessionKey), '')
      try {
        await token.request('/wxa/checksession', { query: { openid, signature, sig_method: 'hmac_sha256' } })
        return true
      } catch (error) {
        if (error instanceof WechatApiError && error.wechatCode === NOT_THE_KEY) return false
        throw error
      }
    },

    async phoneNumber (code) {
      if (!isCode(code)) throw new WechatInputError('code', 'must be a code from the phone number button')
      const { phone_info: info } = await token.request<{ phone_info?: Record<string, unknown> }>(PHONE, { json: { code } })
      const { phoneNumber, purePhoneNumber, countryCode } = info ?? {}
      if (typeof phoneNumber !== 'string' || typeof purePhoneNumber !== 'string') throw new WechatReplyError(PHONE, 'the answer has no phone number')
      if ((info?.watermark as Partial<Watermark> | undefined)?.appid !== appId) throw new WechatReplyError(PHONE, 'the answer is for another mini program')
      return { phoneNumber, purePhoneNumber, countryCode: String(countryCode ?? '') }
    },

    decrypt: (sessionKey, iv, data, wanted) => decryptOpenData(appId, sessionKey, iv, data, wanted),
    code: async wanted => await miniProgramCode(token, wanted),
    shipping: createShipping(token, mchId),
    disconnect: async () => { await Promise.all([http.disconnect(), shared === undefined && token.disconnect()]) }
  }
}
