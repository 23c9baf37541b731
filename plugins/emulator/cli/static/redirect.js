// Loaded into Node processes by `wechat-emulator exec`: connections to WeChat's hosts go to the emulator, like
// a hosts entry with port 443, but without root. Host names and certificates are still verified.
import { ChildProcess } from 'node:child_process'
import { Socket } from 'node:net'

const HOSTS = new Set(['api.weixin.qq.com', 'open.weixin.qq.com', 'mp.weixin.qq.com', 'api.mch.weixin.qq.com', 'api2.mch.weixin.qq.com', 'fraud.mch.weixin.qq.com'])
const port = Number(process.env.WECHAT_EMULATOR_SECURE_PORT)
const host = process.env.WECHAT_EMULATOR_HOST || '127.0.0.1'

const connect = Socket.prototype.connect
Socket.prototype.connect = function (...args) {
  // Node's internal callers pass the arguments as an array.
  const list = Array.isArray(args[0]) ? args[0] : args
  const options = list[0]
  if (port && options && HOSTS.has(options.host) && Number(options.port) === 443) list[0] = { ...options, host, port, lookup: undefined }
  return connect.apply(this, args)
}

// The proxy is for other languages. This process does not need it, and for example axios sends a proxy whole URLs without
// TLS. Child processes still get the proxy settings, because they may be in any language.
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
    // Keep variables that the program set for its child.
    const own = (options.envPairs ?? []).filter(pair => !inherited.has(pair))
    const names = new Set(own.map(pair => pair.split('=')[0]))
    options.envPairs = [...own, ...Object.entries(given).filter(([name]) => !names.has(name)).map(([name, value]) => `${name}=${value}`)]
    return spawn.call(this, options)
  }
}

// fastify-wechat-pay refuses an emulator's keys for WeChat's own endpoints, unless this is set: here they cannot be reached.
if (port) Object.defineProperty(globalThis, Symbol.for('fastify-wechat-pay.emulator.diverted'), { value: true })
