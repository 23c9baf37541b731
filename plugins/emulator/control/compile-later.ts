/**
 * Compiles validators when a route is first called with something to validate, and serializes answers without a schema.
 * Loading ajv and compiling the control interface's hundred schemas took more than half of the startup, and a test
 * uses two or three routes.
 */
import Fastify from 'fastify'
import type { FastifyInstance, FastifySchemaCompiler, FastifyServerOptions } from 'fastify'

type Compile = FastifySchemaCompiler<unknown>
type Validate = ReturnType<Compile> & { errors?: unknown }

/** For a Fastify instance whose routes with schemas all use `compileLater`: it loads no compilers itself. */
export const NO_COMPILERS = {
  compilersFactory: { buildValidator: () => () => () => true, buildSerializer: () => () => JSON.stringify }
} as unknown as NonNullable<FastifyServerOptions['schemaController']>

/** Applies to routes added to this scope afterwards. */
export function compileLater (scope: FastifyInstance): void {
  let compile: Compile | undefined
  scope.addHook('preValidation', async ({ query, routeOptions: { schema } }) => {
    if (schema?.params || schema?.body || Object.keys(query as object).length > 0) compile ??= await fastifysCompiler()
  })
  scope.setValidatorCompiler(given => {
    let validate: Validate | undefined
    const later: Validate = data => {
      // Nothing to validate: an empty query without required parameters.
      if (!compile) return true
      validate ??= compile(given) as Validate
      const outcome = validate(data)
      later.errors = validate.errors
      return outcome
    }
    return later
  })
  // Answer schemas are documentation only; they do not filter.
  scope.setSerializerCompiler(() => data => JSON.stringify(data))
}

let made: Promise<Compile> | undefined

/** Fastify creates it for the first route that needs it. */
async function fastifysCompiler (): Promise<Compile> {
  made ??= (async () => {
    const app = Fastify()
    app.get('/', { schema: { querystring: {} } }, async () => '')
    await app.ready()
    return app.validatorCompiler as Compile
  })()
  return await made
}
