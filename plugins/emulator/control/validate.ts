/**
 * Validates requests of the control interface as Fastify does, but compiles a validator when it is first needed: loading
 * ajv and compiling a hundred schemas took more than half of the start, and a test calls two or three routes.
 */
import Fastify from 'fastify'
import type { FastifyRequest, FastifySchema, FastifySchemaCompiler, FastifySchemaValidationError, FastifyServerOptions } from 'fastify'

type Compile = FastifySchemaCompiler<unknown>
type Validate = ((data: unknown) => boolean) & { errors?: FastifySchemaValidationError[] | null }

/** For a Fastify whose routes have no schemas: it does not load compilers. */
export const NO_COMPILERS = {
  compilersFactory: { buildValidator: () => () => () => true, buildSerializer: () => () => JSON.stringify }
} as unknown as NonNullable<FastifyServerOptions['schemaController']>

const compiled = new WeakMap<object, Validate>()

/** Converts values as Fastify does. @throws Error 400, with the errors in `validation` */
export async function validate (schema: FastifySchema, request: FastifyRequest): Promise<void> {
  const { properties } = (schema.body ?? {}) as { properties?: object }
  // Ajv would drop unknown members: report a misspelt name instead.
  const odd = properties && Object.keys(request.body ?? {}).find(name => !(name in properties))
  if (odd !== undefined) throw Object.assign(new Error(`unknown member ${odd}`), { statusCode: 400 })
  for (const [httpPart, data] of [['params', request.params], ['body', request.body ?? null], ['querystring', request.query]] as const) {
    const part = schema[httpPart] as object | undefined
    // No part of a query is required.
    if (!part || (httpPart === 'querystring' && Object.keys(data as object).length === 0)) continue
    const check = compiled.get(part) ?? (await fastifysCompiler())({ schema: part, method: request.method, url: request.url, httpPart }) as Validate
    compiled.set(part, check)
    if (check(data)) continue
    const errors = check.errors ?? []
    const message = errors.map(({ instancePath, message }) => `${httpPart}${instancePath} ${message}`).join(', ')
    throw Object.assign(new Error(message), { statusCode: 400, validation: errors, validationContext: httpPart })
  }
}

let made: Promise<Compile> | undefined

/** Created for the first route that needs it. */
async function fastifysCompiler (): Promise<Compile> {
  made ??= (async () => {
    const app = Fastify()
    app.get('/', { schema: { querystring: {} } }, async () => '')
    await app.ready()
    return app.validatorCompiler as Compile
  })()
  return await made
}
