/**
 * Validators are compiled when a route is first called, and answers are written as they are. Of starting an emulator the
 * hundred schemas of its own interface were more than half, and a test calls two or three of its routes.
 */
import type { FastifyInstance, FastifySchemaCompiler } from 'fastify'

type Validate = ReturnType<FastifySchemaCompiler<unknown>> & { errors?: unknown }

/** Of the routes that this scope gets after it. One before it needs a schema: for that, Fastify makes the compiler that the others take. */
export function compileLater (scope: FastifyInstance): void {
  scope.addHook('onRoute', route => {
    route.validatorCompiler = given => {
      let validate: Validate | undefined
      const later: Validate = data => {
        validate ??= (scope.validatorCompiler as FastifySchemaCompiler<unknown>)(given)
        const outcome = validate(data)
        later.errors = validate.errors
        return outcome
      }
      return later
    }
  })
  // All schemas of answers let everything through: they are there to be read.
  scope.setSerializerCompiler(() => data => JSON.stringify(data))
}
