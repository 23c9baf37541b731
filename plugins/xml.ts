/** Parses WeChat's XML bodies in the scope that registers it, and keeps the raw bytes: `request.body`, `request.wechatRawBody`. */
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { WechatInputError } from '../src/errors.ts'
import { readXml } from '../src/pay/v2/xml.ts'
import type { Fields } from '../src/pay/v2/xml.ts'
import { checkOptions, flag, integer } from '../src/shapes.ts'
import type { ShapesOf } from '../src/shapes.ts'

export interface XmlOptions {
  /** Bytes. Default 65536: no WeChat message is larger. */
  bodyLimit?: number
  /** False: `request.body` is the raw bytes, for every content type; the application's parsers are not used. Default true. */
  parse?: boolean
}

declare module 'fastify' {
  interface FastifyRequest {
    /** The raw body, for `app.wechatNotify.read()`; null if this scope's parser did not read it. */
    wechatRawBody: Buffer | null
  }
}

const OPTIONS = { bodyLimit: integer('a whole number of bytes', 1, 64 * 1024), parse: flag } satisfies ShapesOf<XmlOptions>

export const xml = fp<XmlOptions>(async (app, options) => {
  const { prefix: _ofRegister, logLevel: _level, logSerializers: _serializers, ...own } = options as XmlOptions & Record<string, unknown>
  checkOptions(own, OPTIONS)
  const { bodyLimit = 64 * 1024, parse = true } = options
  if (!app.hasRequestDecorator('wechatRawBody')) app.decorateRequest('wechatRawBody', null)

  const types = parse ? ['text/xml', 'application/xml'] : ['*']
  // Removes the application's parsers in this scope only.
  if (parse) app.removeContentTypeParser(types.filter(type => app.hasContentTypeParser(type)))
  else app.removeAllContentTypeParsers()
  app.addContentTypeParser(types, { parseAs: 'buffer', bodyLimit }, (request: FastifyRequest, body: Buffer, done) => {
    request.wechatRawBody = body
    if (!parse) return done(null, body)
    let fields
    try {
      fields = fieldsOf(body)
    } catch (error) {
      return done(error as Error)
    }
    done(null, fields)
  })
}, { fastify: '5.x', name: 'fastify-wechat-pay/xml' })

/** Accepts only WeChat's format: flat, each field once, no DOCTYPE, valid UTF-8. @throws WechatInputError (400) for anything else */
function fieldsOf (body: Buffer): Fields {
  try {
    return readXml(body)
  } catch (error) {
    throw new WechatInputError('body', (error as Error).message)
  }
}

export default xml
