/** Reads WeChat's XML bodies in the scope that registers it, and keeps their bytes: `request.body`, `request.wechatRawBody`. */
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { WechatInputError } from '../src/errors.ts'
import { readXml } from '../src/pay/v2/xml.ts'
import type { Fields } from '../src/pay/v2/xml.ts'
import { checkOptions, flag, integer } from '../src/shapes.ts'
import type { ShapesOf } from '../src/shapes.ts'

export interface XmlOptions {
  /** Bytes. Default 65536: no message of WeChat's has more. */
  bodyLimit?: number
  /** False: `request.body` is the bytes as they came, whatever their content type; the host's parsers do not touch them. Default true. */
  parse?: boolean
}

declare module 'fastify' {
  interface FastifyRequest {
    /** The body as it came, for `app.wechatNotify.read()`; null where this scope's parser did not read it. */
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
  // A parser of the host's is left out of this scope alone.
  if (parse) app.removeContentTypeParser(types.filter(type => app.hasContentTypeParser(type)))
  else app.removeAllContentTypeParsers()
  app.addContentTypeParser(types, { parseAs: 'buffer', bodyLimit }, async (request: FastifyRequest, body: Buffer) => {
    request.wechatRawBody = body
    return parse ? fieldsOf(body) : body
  })
}, { fastify: '5.x', name: 'fastify-wechat-pay/xml' })

/** Flat, each field once, no DOCTYPE, valid UTF-8: what WeChat writes. @throws WechatInputError (400) for all else */
function fieldsOf (body: Buffer): Fields {
  try {
    return readXml(body)
  } catch (error) {
    throw new WechatInputError('body', (error as Error).message)
  }
}

export default xml
