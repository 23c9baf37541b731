/**
 * The minimum of any shop: Fastify, one POST to WeChat with a body prepared before the measurement, and
 * two round trips to Redis per notification, like ours; it answers with as many bytes. Nothing is signed, verified or checked.
 */
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import { Pool } from 'undici'
import { signV2 } from '../src/pay/v2/sign.ts'
import { writeXml } from '../src/pay/v2/write-xml.ts'
import { answerQuestions, numberOf, OPENID, shopOptions } from './sale-shop.ts'

const { config: { appId, merchant: { mchId, v2: { apiKey } }, endpoints: { api } }, redisPort, port, numbers } = shopOptions()
const bodies = new Map(numbers.map(number => {
  const fields = {
    appid: appId,
    mch_id: mchId,
    out_trade_no: number,
    body: '咖啡',
    total_fee: '6800',
    spbill_create_ip: '127.0.0.1',
    trade_type: 'JSAPI',
    openid: OPENID,
    notify_url: `http://127.0.0.1:${port}/wechat/notify`,
    nonce_str: number.toLowerCase(),
    sign_type: 'MD5'
  }
  // Outside the heap, so that the garbage collector does not mark thousands of texts that a shop does not have.
  return [number, Buffer.from(writeXml({ ...fields, sign: signV2(fields, apiKey, 'MD5') }))] as const
}))
const READY_MADE = '0123456789ABCDEF0123456789ABCDEF'
const redis = new Redis({ port: redisPort })
const wechat = new Pool(api, { connections: 64 })
const paid = new Set<string>()
const app = Fastify()
app.post('/wechat/pay', async request => {
  const { outTradeNo } = request.body as { outTradeNo: string }
  const answer = await wechat.request({ method: 'POST', path: '/pay/unifiedorder', headers: { 'content-type': 'text/xml; charset=utf-8' }, body: bodies.get(outTradeNo)! })
  const text = await answer.body.text()
  const from = text.indexOf('<prepay_id>') + 20
  return { appId, timeStamp: '1764000000', timestamp: '1764000000', nonceStr: READY_MADE, package: `prepay_id=${text.slice(from, from + 36)}`, signType: 'MD5', paySign: READY_MADE }
})
app.register(async scope => {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => { done(null, body) })
  scope.post('/wechat/notify', async (request, reply) => {
    const number = numberOf(request.body as Buffer)
    await redis.set(`floor:${number}`, '1', 'PX', 3000, 'NX')
    paid.add(number)
    await redis.set(`floor:${number}`, '1', 'PX', 604_800_000)
    return reply.type('text/xml; charset=utf-8').send('<xml><return_code><![CDATA[SUCCESS]]></return_code></xml>')
  })
})
await app.listen({ port, host: '127.0.0.1' })
answerQuestions(port, paid)
