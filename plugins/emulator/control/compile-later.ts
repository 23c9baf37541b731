/**
 * Compiles validators when a route is first called, and serializes answers without a schema. Compiling the
 * hundred schemas of the control interface took more than half of the start, and a test calls two or three routes.
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
  // Answer schemas only document; they filter nothing.
  scope.setSerializerCompiler(() => data => JSON.stringify(data))
}
