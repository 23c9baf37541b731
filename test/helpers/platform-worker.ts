/** A worker process of a third-party platform. Its refresh tokens are in a separate Redis, which no test stops. */
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import { openPlatform } from '../../plugins/open-platform.ts'
import type { OpenPlatformOptions } from '../../plugins/open-platform.ts'

export interface PlatformWorkerOptions {
  redisPort: number
  recordsPort: number
  options: Pick<OpenPlatformOptions, 'componentAppId' | 'componentAppSecret' | 'token' | 'encodingAesKey' | 'endpoints'>
  /** Where the first process is killed in `onAuthorized`: before or after it writes. */
  dies?: 'before' | 'after'
}

const { redisPort, recordsPort, options, dies } = JSON.parse(process.argv[2] ?? '{}') as PlatformWorkerOptions
const redis = new Redis({ port: redisPort })
const records = new Redis({ port: recordsPort })
const dieIf = async (at: PlatformWorkerOptions['dies']) => {
  if (dies === at && await records.set('died', at as string, 'NX')) process.kill(process.pid, 'SIGKILL')
}
// On a busy machine, loading the plugin can exceed Fastify's timeout.
const app = Fastify({ pluginTimeout: 0 })
await app.register(openPlatform, {
  ...options,
  redis,
  async onAuthorized ({ appId, refreshToken }) {
    await dieIf('before')
    await records.hset('refreshTokens', appId, refreshToken)
    await dieIf('after')
  },
  refreshTokenOf: async appId => await records.hget('refreshTokens', appId) ?? undefined
})
process.on('message', (appId: string) => {
  app.wechatOpenPlatform.authorizer(appId).token.get().then(token => process.send?.({ token }), (error: Error) => process.send?.({ error: error.message }))
})
await app.listen({ port: 0, host: '127.0.0.1' })
process.send?.({ url: `http://127.0.0.1:${(app.server.address() as { port: number }).port}/wechat/open-platform/events` })
