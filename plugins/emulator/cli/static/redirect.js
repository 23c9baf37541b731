// Loaded into a Node process by `wechat-emulator exec`: what it sends to WeChat's hosts goes to the emulator instead, as
// an entry in the hosts file and port 443 would make it, but without root. Names and certificates are checked as ever.
import { ChildProcess } from 'node:child_process'
import { Socket } from 'node:net'

const HOSTS = new Set(['api.weixin.qq.com', 'open.weixin.qq.com', 'mp.weixin.qq.com', 'api.mch.weixin.qq.com', 'api2.mch.weixin.qq.com', 'fraud.mch.weixin.qq.com'])
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

// The proxy is for other languages. Here it would be one too many: axios, for one, hands a proxy whole URLs and no
// certificate. The programs that this one starts (npm starts all kinds) get it all the same.
const PROXY = ['HTTPS_PROXY', 'https_proxy', 'NO_PROXY', 'no_proxy']
const given = Object.fromEntries(PROXY.flatMap(name => process.env[name] === undefined ? [] : [[name, process.env[name]]]))
const before = process.env.WECHAT_EMULATOR_PROXY_BEFORE
if (port && before !== undefined) {
  const noProxy = [given.NO_PROXY ?? '', ...HOSTS].filter(Boolean).join(',')
  const here = { HTTPS_PROXY: before, https_proxy: before, NO_PROXY: noProxy, no_proxy: noProxy }
  for (const name of PROXY) {
    if (here[name] === '') delete process.env[name]
    else process.env[name] = here[name]
  }
  const spawn = ChildProcess.prototype.spawn
  ChildProcess.prototype.spawn = function (options) {
    const inherited = new Set(PROXY.map(name => `${name}=${here[name]}`))
    // What the program itself set for its child stays.
    const own = (options.envPairs ?? []).filter(pair => !inherited.has(pair))
    const names = new Set(own.map(pair => pair.split('=')[0]))
    options.envPairs = [...own, ...Object.entries(given).filter(([name]) => !names.has(name)).map(([name, value]) => `${name}=${value}`)]
    return spawn.call(this, options)
  }
}

// For fastify-wechat-pay, which else refuses an emulator's keys where the endpoints are WeChat's own: here they cannot get there.
if (port) Object.defineProperty(globalThis, Symbol.for('fastify-wechat-pay.emulator.diverted'), { value: true })
