import type { FastifyInstance } from 'fastify'

/** Form bodies in this scope, unless the host reads them already. */
export async function acceptForms (scope: FastifyInstance): Promise<void> {
  if (!scope.hasContentTypeParser('application/x-www-form-urlencoded')) await scope.register(import('@fastify/formbody'))
}
