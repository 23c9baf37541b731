/**
 * Compiles validators when a route is first called with something to validate, and serializes answers without a schema.
 * Loading ajv and compiling the hundred schemas of the control interface took more than half of the start, and a test
 * calls two or three routes.
 */
import Fastify from 'fastify'
import type { FastifyInstance, FastifySchemaCompiler, FastifyServerOptions } from 'fastify'

type Compile = FastifySchemaCompiler<unknown>
type Validate = ReturnType<Compile> & { errors?: unknown }

/** For a Fastify whose routes with schemas are all in such scopes: it need not load compilers of its own. */
export const NO_COMPILERS = {
  compilersFactory: { buildValidator: () => () => () => true, buildSerializer: () => () => JSON.stringify }
} as unknown as NonNullable<FastifyServerOptions['schemaController']>

/** Of the routes that this scope gets after it. */
export function compileLater (scope: FastifyInstance): void {
  let compile: Compile | undefined
  scope.addHook('preValidation', async ({ query, routeOptions: { schema } }) => {
    if (schema?.params || schema?.body || Object.keys(query as object).length > 0) compile ??= await fastifysCompiler()
  })
  scope.setValidatorCompiler(given => {
    let validate: Validate | undefined
    const later: Validate = data => {
      // A query that is empty, and no part of one is required.
      if (!compile) return true
      validate ??= compile(given) as Validate
      const outcome = validate(data)
      later.errors = validate.errors
      return outcome
    }
    return later
  })
  // Answer schemas only document; they filter nothing.
  scope.setSerializerCompiler(() => data => JSON.stringify(data))
}

let made: Promise<Compile> | undefined

/** Fastify makes it for the first route that needs it. */
async function fastifysCompiler (): Promise<Compile> {
  made ??= (async () => {
    const app = Fastify()
    app.get('/', { schema: { querystring: {} } }, async () => '')
    await app.ready()
    return app.validatorCompiler as Compile
  })()
  return await made
}
