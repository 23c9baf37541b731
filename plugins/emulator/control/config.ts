/** An account's configuration for an app. */

/** The answer of `GET /_emulator/config`, ready to spread into the plugins' options. */
export interface EmulatorConfig {
  appId: string
  appSecret: string
  merchant: {
    mchId: string
    v2: { apiKey: string, cert: string, key: string }
    v3: { serialNo: string, privateKey: string, apiV3Key: string, publicKeyId?: string, publicKey?: string }
  }
  endpoints: { api: string, open: string, mp: string, pay: string, payBackup: string }
  /** The CA that clients must trust, because the emulator's payments are behind mutual TLS like WeChat's. */
  http: { ca: string }
  /** Only with a third-party platform (option `component`). */
  openPlatform?: PlatformKeys
}

interface PlatformKeys { componentAppId: string, componentAppSecret: string, token: string, encodingAesKey: string }

/** Ready to spread into the options of `openPlatform`. */
export type OpenPlatformConfig = PlatformKeys & Pick<EmulatorConfig, 'endpoints' | 'http'>
