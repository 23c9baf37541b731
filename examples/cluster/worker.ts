/** A cluster worker: an API that signs pages and calls WeChat, with tokens in a shared Redis. */
import redis from '@fastify/redis'
import Fastify from 'fastify'
import { jssdk } from '../../plugins/jssdk.ts'
import type { JssdkOptions } from '../../plugins/jssdk.ts'

export interface WorkerOptions {
  account: Pick<JssdkOptions, 'appId' | 'appSecret' | 'endpoints'>
  redisUrl: string
}

export async function createWorker ({ account, redisUrl }: WorkerOptions) {
  const app = Fastify()
  await app.register(redis, { url: redisUrl })
  await app.register(jssdk, { ...account, redis: app.redis, allowedHosts: ['shop.example.com'] })

  app.addHook('onSend', async (_request, reply) => { reply.header('x-process', String(process.pid)) })
  app.get('/wechat-servers', async () => await app.wechatToken.request('/cgi-bin/getcallbackip'))
  return app
}
