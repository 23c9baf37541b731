/** What an app needs to know about an account. */

/** The answer of `GET /_emulator/config`, ready to spread into the plugins' options. */
export interface EmulatorConfig {
  appId: string
  appSecret: string
  merchant: {
    mchId: string
    v2: { apiKey: string, cert: string, key: string }
    v3: { serialNo: string, privateKey: string, apiV3Key: string, publicKeyId?: string, publicKey?: string }
  }
  endpoints: { api: string, open: string, pay: string, payBackup: string }
  /** The CA that clients must trust, because the emulator's payments are behind mutual TLS like WeChat's. */
  http: { ca: string }
}
