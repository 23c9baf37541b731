import type { FastifyInstance } from 'fastify'

/** Parses form bodies in this scope, unless the application already does. */
export async function acceptForms (scope: FastifyInstance): Promise<void> {
  if (!scope.hasContentTypeParser('application/x-www-form-urlencoded')) await scope.register(import('@fastify/formbody'))
}
