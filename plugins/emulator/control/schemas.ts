/** JSON Schemas of the control interface: they validate requests, and the OpenAPI document is generated from them. */
import type { FastifySchema } from 'fastify'

type Schema = Record<string, unknown>

export const text = (description: string): Schema => ({ type: 'string', description })
export const number = (description: string, least = 0): Schema => ({ type: 'number', minimum: least, description })
export const one = (values: readonly string[], description: string): Schema => ({ type: 'string', enum: values, description })

/** Unknown members are refused: a misspelt name must not be ignored. */
export const object = (properties: Readonly<Record<string, Schema>>, required: string[] = []): Schema =>
  ({ type: 'object', properties, required, additionalProperties: false })

/** An optional body. */
export const optional = (schema: Schema): Schema => ({ ...schema, type: ['object', 'null'] })

/** Describes an answer; answers are not filtered. */
const describe = (description: string): Schema => ({ description, type: 'object', additionalProperties: true })
export const listOf = (description: string): Schema => ({ description, type: 'array', items: { type: 'object', additionalProperties: true } })

const PROBLEM = { ...object({ code: text('For programs.'), message: text('For people.') }, ['code', 'message']), description: 'Refused.' }

interface Route {
  summary: string
  tag: 'account' | 'orders' | 'notifications' | 'faults' | 'calls' | 'platform'
  params?: Readonly<Record<string, Schema>>
  query?: Readonly<Record<string, Schema>>
  body?: Schema
  /** The answer: a description, or a schema. */
  answer?: string | Schema
  /** The HTTP statuses of refusals. */
  refusals?: readonly number[]
}

export function schema ({ summary, tag, params, query, body, answer = 'Done.', refusals = [] }: Route): FastifySchema & { summary: string, tags: string[] } {
  const statuses = body ? [400, ...refusals] : refusals
  return {
    summary,
    tags: [tag],
    ...(params && { params: object(params, Object.keys(params)) }),
    ...(query && { querystring: object(query) }),
    ...(body && { body }),
    response: { 200: typeof answer === 'string' ? describe(answer) : answer, ...Object.fromEntries(statuses.map(status => [status, PROBLEM])) }
  }
}
