/** URLs of WeChat's authorization pages for PC and phone. WeChat's documentation "Authorization flow" (授权流程技术说明). */
import { WechatInputError } from '../errors.ts'

export interface AuthorizePage {
  /** Absolute URL that WeChat redirects to with `auth_code`; its domain must be registered for the platform. */
  redirectUri: string
  /** `pc`: shows a QR code. `phone`: opens inside WeChat. */
  device: 'pc' | 'phone'
  /** The accounts the owner can choose: 1 Official Accounts, 2 mini programs, 3 both. */
  authType: 1 | 2 | 3
}

interface Base { open: string, mp: string, componentAppId: string, preAuthCode: string }

export function authorizePage ({ open, mp, componentAppId, preAuthCode }: Base, { redirectUri, device, authType }: AuthorizePage): string {
  if (!URL.canParse(redirectUri) || !/^https?:\/\//.test(redirectUri)) throw new WechatInputError('redirectUri', 'must be an absolute http(s) URL')
  const query = `component_appid=${encodeURIComponent(componentAppId)}&pre_auth_code=${encodeURIComponent(preAuthCode)}&redirect_uri=${encodeURIComponent(redirectUri)}&auth_type=${authType}`
  return device === 'phone'
    ? `${open}/wxaopen/safe/bindcomponent?action=bindcomponent&no_scan=1&${query}#wechat_redirect`
    : `${mp}/cgi-bin/componentloginpage?${query}`
}
