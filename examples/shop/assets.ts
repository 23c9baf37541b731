/** Style and script from npm packages, so that the demo works offline. In production, load WeChat's script from res.wx.qq.com. */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { FastifyInstance } from 'fastify'

const packaged = (file: string) => readFile(fileURLToPath(import.meta.resolve(file)), 'utf8')

export async function assets (app: FastifyInstance): Promise<void> {
  const weui = await packaged('weui/dist/style/weui.min.css')
  const shop = await readFile(new URL('shop.css', import.meta.url), 'utf8')
  const buy = await readFile(new URL('buy.js', import.meta.url), 'utf8')
  // The npm package wraps WeChat's official script for CommonJS; a page needs a global.
  const jweixin = `(() => { const module = {}; ${await packaged('weixin-js-sdk')}; window.wx = module.exports })()`

  app.get('/assets/style.css', async (_request, reply) => reply.type('text/css; charset=utf-8').send(weui + shop))
  app.get('/assets/jweixin.js', async (_request, reply) => reply.type('text/javascript; charset=utf-8').send(jweixin))
  app.get('/assets/buy.js', async (_request, reply) => reply.type('text/javascript; charset=utf-8').send(buy))
}
