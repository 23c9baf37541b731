/** The account as environment variables: for `exec`, and for `/_emulator/config?format=env`. */
import type { EmulatorConfig } from './config.ts'

export function environment ({ appId, appSecret, merchant: { mchId, v2, v3 }, endpoints, openPlatform }: EmulatorConfig): Record<string, string> {
  return {
    WECHAT_EMULATOR_ORIGIN: endpoints.api,
    WECHAT_EMULATOR_PAY: endpoints.pay,
    WECHAT_APP_ID: appId,
    WECHAT_APP_SECRET: appSecret,
    WECHAT_MCH_ID: mchId,
    WECHAT_API_KEY: v2.apiKey,
    WECHAT_API_V3_KEY: v3.apiV3Key,
    WECHAT_SERIAL_NO: v3.serialNo,
    WECHAT_PUBLIC_KEY_ID: v3.publicKeyId ?? '',
    ...(openPlatform && {
      WECHAT_COMPONENT_APP_ID: openPlatform.componentAppId,
      WECHAT_COMPONENT_APP_SECRET: openPlatform.componentAppSecret,
      WECHAT_COMPONENT_TOKEN: openPlatform.token,
      WECHAT_COMPONENT_AES_KEY: openPlatform.encodingAesKey
    })
  }
}

/** Quoted, so that `eval` reads each value unchanged. */
export const shellVariables = (variables: Record<string, string>): string =>
  Object.entries(variables).map(([name, value]) => `export ${name}='${value.replaceAll('\'', '\'\\\'\'')}'\n`).join('')
