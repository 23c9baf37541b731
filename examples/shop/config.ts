/** Reads and validates the shop's environment variables. See .env.example. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { envSchema } from 'env-schema'
import type { ShopOptions } from './shop.ts'

interface Environment {
  PORT: number
  HOST: string
  ORIGIN: string
  TRUST_PROXY: boolean
  SESSION_SECRET: string
  DATABASE: string
  REDIS_URL: string
  WECHAT_APP_ID: string
  WECHAT_APP_SECRET: string
  WECHAT_MCH_ID: string
  WECHAT_API_V3_KEY: string
  WECHAT_PUBLIC_KEY_ID: string
  WECHAT_KEYS: string
}

const text = (least = 1) => ({ type: 'string', minLength: least })

const SCHEMA = {
  type: 'object',
  required: ['ORIGIN', 'SESSION_SECRET', 'WECHAT_APP_ID', 'WECHAT_APP_SECRET', 'WECHAT_MCH_ID', 'WECHAT_API_V3_KEY', 'WECHAT_KEYS'],
  properties: {
    PORT: { type: 'integer', default: 3000 },
    HOST: { ...text(), default: '127.0.0.1' },
    ORIGIN: { type: 'string', pattern: '^https?://[^/]+$' },
    TRUST_PROXY: { type: 'boolean', default: false },
    SESSION_SECRET: text(32),
    DATABASE: { ...text(), default: 'file:shop.db' },
    REDIS_URL: { type: 'string', default: '' },
    WECHAT_APP_ID: text(),
    WECHAT_APP_SECRET: text(32),
    WECHAT_MCH_ID: text(),
    WECHAT_API_V3_KEY: text(32),
    WECHAT_PUBLIC_KEY_ID: { type: 'string', default: '' },
    WECHAT_KEYS: text()
  }
}

/** @throws Error that names the variable */
export function readConfig (env: NodeJS.ProcessEnv) {
  const config = envSchema<Environment>({ schema: SCHEMA, data: env, env: false })
  const file = (name: string) => readFileSync(join(config.WECHAT_KEYS, name))
  const account: ShopOptions['account'] = {
    appId: config.WECHAT_APP_ID,
    appSecret: config.WECHAT_APP_SECRET,
    merchant: {
      mchId: config.WECHAT_MCH_ID,
      notifyUrl: `${config.ORIGIN}/wechat/notify`,
      v3: {
        apiV3Key: config.WECHAT_API_V3_KEY,
        privateKey: file('apiclient_key.pem'),
        certificate: file('apiclient_cert.pem'),
        ...(config.WECHAT_PUBLIC_KEY_ID && { publicKeyId: config.WECHAT_PUBLIC_KEY_ID, publicKey: file('pub_key.pem') })
      }
    }
  }
  const { PORT: port, HOST: host, ORIGIN: origin, TRUST_PROXY: trustProxy, SESSION_SECRET: sessionSecret, DATABASE: database, REDIS_URL: redisUrl } = config
  return { port, host, database, redisUrl, shop: { account, origin, trustProxy, sessionSecret } }
}
