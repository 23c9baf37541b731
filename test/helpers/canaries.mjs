/**
 * E1 for a whole run: `npm test -- --import ./test/helpers/canaries.mjs`. Searches for the tests' secrets
 * in every reply, error and log call, at every level, of each application in every test file.
 */
import { subscribe } from 'node:diagnostics_channel'
import { createRequire } from 'node:module'
import { inspect } from 'node:util'

const require = createRequire(import.meta.url)

const SECRETS = /c0ffee00c0ffee00c0ffee00c0ffee42|a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6|emulator[0-9A-Za-z]{24}|canary\w{20}|BEGIN (?:RSA |ENCRYPTED )?PRIVATE KEY/

/** @param {string} where @param {unknown} what */
function look (where, what) {
  const text = typeof what === 'string' ? what : Buffer.isBuffer(what) ? String(what) : inspect(what, { depth: 10, showHidden: true })
  const [secret] = SECRETS.exec(text) ?? []
  if (secret === undefined) return
  // An application's error handler could swallow an exception, but not the exit code.
  process.exitCode = 1
  console.error(`not ok - a secret (${secret.slice(0, 10)}…) in ${where}: ${text.slice(0, 2000)}`)
}

// Fastify's logger for applications without one: its calls are the lines that a logger would write.
const levels = Object.getPrototypeOf(require(require.resolve('abstract-logging', { paths: [require.resolve('fastify')] })))
for (const level of Object.keys(levels)) levels[level] = (/** @type {unknown[]} */ ...line) => look(`a log line (${level})`, line.map(asWritten))

/** Requests and replies as Fastify's serializers write them; errors completely. @param {any} part */
function asWritten (part) {
  if (typeof part !== 'object' || part === null || part instanceof Error) return part
  const { req, res, ...rest } = part
  return { ...rest, req: req && !isWechat(req.url) && [req.method, req.url, req.host, req.ip], res: res?.statusCode }
}

/** The emulator's own routes, whose requests and answers contain secrets. @param {string} url */
function isWechat (url) {
  return /^(?:\/[a-z0-9]+)?\/(?:_emulator|cgi-bin|sns|xdc)\//.test(url)
}

subscribe('fastify.initialization', message => {
  const { fastify: app } = /** @type {{ fastify: import('fastify').FastifyInstance }} */ (message)
  app.addHook('onError', async (request, _reply, error) => { if (!isWechat(request.url)) look(`the error of ${request.url}`, error) })
  app.addHook('onSend', async (request, reply, payload) => {
    if (isWechat(request.url)) return payload
    look(`the headers of ${request.url}`, reply.getHeaders())
    if (typeof payload === 'string' || Buffer.isBuffer(payload)) look(`the reply to ${request.url}`, payload)
    return payload
  })
})
