/** An existing small API that lets its pages use WeChat's JS-SDK, and nothing else of this package. */
import Fastify from 'fastify'
import { jssdk } from '../../plugins/jssdk.ts'
import type { JssdkOptions } from '../../plugins/jssdk.ts'

export async function createApi (account: Pick<JssdkOptions, 'appId' | 'appSecret' | 'endpoints'>) {
  const app = Fastify()

  app.get('/articles', async () => [{ id: 1, title: '云南咖啡' }])

  // GET /api/wechat/jssdk?url= answers what the page hands to wx.config.
  await app.register(jssdk, { ...account, prefix: '/api/wechat', jsApiList: ['updateAppMessageShareData', 'updateTimelineShareData'] })
  return app
}
