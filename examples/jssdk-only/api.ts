/** A small existing API that only uses this package to sign pages for WeChat's JS-SDK. */
import Fastify from 'fastify'
import { jssdk } from '../../plugins/jssdk.ts'
import type { JssdkOptions } from '../../plugins/jssdk.ts'

export async function createApi (account: Pick<JssdkOptions, 'appId' | 'appSecret' | 'endpoints'>) {
  const app = Fastify()

  app.get('/articles', async () => [{ id: 1, title: '云南咖啡' }])

  // GET /api/wechat/jssdk?url= returns the page's parameters for wx.config.
  await app.register(jssdk, { ...account, prefix: '/api/wechat', jsApiList: ['updateAppMessageShareData', 'updateTimelineShareData'] })
  return app
}
