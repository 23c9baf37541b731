import type { FastifyInstance } from 'fastify'

/** Most bytes a message of WeChat's has. */
const BODY_LIMIT = 64 * 1024

/** Bodies of this scope as the bytes that came: a signature is over what was sent, and no parser of the host's may touch it first. */
export function rawBodies (scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: BODY_LIMIT }, (_request, body, done) => done(null, body))
}
