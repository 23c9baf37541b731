// Loaded into a Node process by `wechat-emulator exec`: what it sends to WeChat's hosts goes to the emulator instead, as
// an entry in the hosts file and port 443 would make it, but without root. Names and certificates are checked as ever.
import { Socket } from 'node:net'

const HOSTS = new Set(['api.weixin.qq.com', 'open.weixin.qq.com', 'api.mch.weixin.qq.com', 'api2.mch.weixin.qq.com', 'fraud.mch.weixin.qq.com'])
const port = Number(process.env.WECHAT_EMULATOR_SECURE_PORT)
const host = process.env.WECHAT_EMULATOR_HOST || '127.0.0.1'

const connect = Socket.prototype.connect
Socket.prototype.connect = function (...args) {
  // Node's own callers pass the options inside a list, others as they are.
  const list = Array.isArray(args[0]) ? args[0] : args
  const options = list[0]
  if (port && options && HOSTS.has(options.host) && Number(options.port) === 443) list[0] = { ...options, host, port, lookup: undefined }
  return connect.apply(this, args)
}

// For fastify-wechat-pay, which else refuses an emulator's keys where the endpoints are WeChat's own: here they cannot get there.
if (port) Object.defineProperty(globalThis, Symbol.for('fastify-wechat-pay.emulator.diverted'), { value: true })
