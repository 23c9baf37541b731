// An app that runs beside the emulator, with Node.js only: it uses WeChat Pay's real URL, places an order, and receives the notification.
import { createDecipheriv, createVerify, randomUUID, sign } from 'node:crypto'
import { createServer } from 'node:http'
import { request } from 'node:https'

const { WECHAT_EMULATOR_ORIGIN, NOTIFY_URL = 'http://127.0.0.1:3000/notify' } = process.env
const { appId, merchant: { mchId, v3 } } = await (await fetch(`${WECHAT_EMULATOR_ORIGIN}/_emulator/config`)).json()

function call (method, path, body = '') {
  const [timestamp, nonce] = [String(Math.floor(Date.now() / 1000)), randomUUID().replaceAll('-', '')]
  const signature = sign('sha256', `${method}\n${path}\n${timestamp}\n${nonce}\n${body}\n`, v3.privateKey).toString('base64')
  const headers = {
    authorization: `WECHATPAY2-SHA256-RSA2048 mchid="${mchId}",serial_no="${v3.serialNo}",nonce_str="${nonce}",timestamp="${timestamp}",signature="${signature}"`,
    'wechatpay-serial': v3.publicKeyId,
    'content-type': 'application/json',
    accept: 'application/json',
    'user-agent': 'app'
  }
  return new Promise((resolve, reject) => {
    request(`https://api.mch.weixin.qq.com${path}`, { method, headers }, async reply => {
      const answer = Buffer.concat(await reply.toArray())
      if (isGenuine(reply.headers, answer)) resolve(JSON.parse(answer))
      else reject(new Error('not signed by WeChat Pay'))
    }).on('error', reject).end(body)
  })
}

function isGenuine (headers, body) {
  const { 'wechatpay-timestamp': timestamp, 'wechatpay-nonce': nonce, 'wechatpay-signature': signature = '' } = headers
  return Math.abs(Date.now() / 1000 - Number(timestamp)) < 300 &&
    createVerify('sha256').update(`${timestamp}\n${nonce}\n${body}\n`).verify(v3.publicKey, signature, 'base64')
}

createServer(async (message, reply) => {
  const body = Buffer.concat(await message.toArray())
  if (!isGenuine(message.headers, body)) return reply.writeHead(401).end()
  const { ciphertext, nonce, associated_data: associated } = JSON.parse(body).resource
  const bytes = Buffer.from(ciphertext, 'base64')
  const decipher = createDecipheriv('aes-256-gcm', v3.apiV3Key, nonce).setAAD(Buffer.from(associated)).setAuthTag(bytes.subarray(-16))
  const payment = JSON.parse(Buffer.concat([decipher.update(bytes.subarray(0, -16)), decipher.final()]))
  console.log('paid:', payment.out_trade_no, payment.amount.total)
  reply.writeHead(204).end()
}).listen(Number(new URL(NOTIFY_URL).port))

const order = {
  appid: appId,
  mchid: mchId,
  description: '咖啡',
  out_trade_no: `APP${Date.now()}`,
  notify_url: NOTIFY_URL,
  amount: { total: 6800 },
  payer: { openid: 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o' }
}
const { prepay_id: prepayId } = await call('POST', '/v3/pay/transactions/jsapi', JSON.stringify(order))
console.log('placed:', order.out_trade_no, prepayId)
