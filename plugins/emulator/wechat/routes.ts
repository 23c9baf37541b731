/**
 * Serves hundreds of calls with about twenty Fastify routes. In a new process each Fastify route costs about a millisecond
 * (the router compiles functions for it, and start-up hooks run for it), and a test uses five of them.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema } from 'fastify'

/** The part of Fastify that the emulator's areas use. */
export type Routes = Pick<FastifyInstance, 'get' | 'post' | 'route' | 'delete' | 'addHook' | 'prefix' | 'log'>

export type Handler = (request: FastifyRequest, reply: FastifyReply) => unknown
type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

interface Call { names: string[], handler: Handler, schema: FastifySchema | undefined }

/** A node of the path tree: one segment between slashes. */
interface Place {
  /** By the next segment's text. */
  next: Map<string, Place>
  /** For a parameter, `:name`. */
  any: Place | undefined
  /** By method: calls whose path ends here. */
  calls: Map<string, Call>
  /** By method: calls for all paths below, `/*`. */
  rest: Map<string, Call>
}

export interface RoutesOptions {
  /** The part of a path that gets a Fastify route. Default: the first segment. */
  placeOf?: (path: string) => string
  /** Answers requests without a matching call. Default: Fastify's own handler, which runs the scope's preHandler hooks again. */
  missing?: Handler | undefined
  /** Checks a request before its handler. */
  check?: (schema: FastifySchema, request: FastifyRequest) => Promise<void>
}

/** Register calls as with Fastify, then call `mount()`. Paths may contain `:name` for a whole segment, and end with `/*`. */
export function createRoutes (app: FastifyInstance, { placeOf = path => /^\/[^/]+/.exec(path)?.[0] ?? '', missing = (_request, reply) => reply.callNotFound(), check }: RoutesOptions = {}) {
  const root = newPlace()
  const methods = new Map<string, Set<Method>>()
  const prefix = app.prefix.replace(/\/$/, '')

  function add (method: Method, path: string, { schema, handler }: { schema?: FastifySchema, handler: Handler }): void {
    const parts = path.split('/').slice(1)
    const isOpen = parts.at(-1) === '*'
    let place = root
    for (const part of isOpen ? parts.slice(0, -1) : parts) place = step(place, part)
    ;(isOpen ? place.rest : place.calls).set(method, { names: parts.filter(part => part.startsWith(':')).map(part => part.slice(1)), handler, schema })
    const start = placeOf(path)
    methods.set(start, (methods.get(start) ?? new Set()).add(method))
    // A path with one segment.
    if (start === path) app.route({ method, url: path, handler: answer })
  }

  async function answer (request: FastifyRequest, reply: FastifyReply) {
    const { method, url } = request
    const [path = ''] = url.slice(prefix.length).split('?')
    const values: string[] = []
    const call = find(root, path.split('/').slice(1).map(decoded), method === 'HEAD' ? 'GET' : method, values)
    if (!call) return await missing(request, reply)
    if (call.names.length > 0) request.params = Object.fromEntries(call.names.map((name, at) => [name, values[at]]))
    if (call.schema) await check?.(call.schema, request)
    return await call.handler(request, reply)
  }

  const adder = (method: Method) => (path: string, ...[options, handler]: [Handler] | [{ schema?: FastifySchema }, Handler]) =>
    add(method, path, typeof options === 'function' ? { handler: options } : { ...options, handler: handler as Handler })

  const routes = {
    get: adder('GET'),
    post: adder('POST'),
    delete: adder('DELETE'),
    route: ({ method, url, schema, handler }: { method: Method, url: string, schema?: FastifySchema, handler: Handler }) => add(method, url, { ...(schema && { schema }), handler }),
    addHook: app.addHook.bind(app),
    prefix: app.prefix,
    log: app.log
  } as unknown as Routes
  return {
    routes,
    /** Call it after all calls are registered. */
    mount: () => { for (const [start, used] of methods) app.route({ method: [...used], url: `${start}/*`, handler: answer }) }
  }
}

const newPlace = (): Place => ({ next: new Map(), any: undefined, calls: new Map(), rest: new Map() })

function step (place: Place, part: string): Place {
  if (part.startsWith(':')) {
    place.any ??= newPlace()
    return place.any
  }
  const next = place.next.get(part) ?? newPlace()
  place.next.set(part, next)
  return next
}

/** Fixed segments take precedence over parameters. `values`: receives the parameters' values. */
function find (place: Place, parts: string[], method: string, values: string[]): Call | undefined {
  const [part, ...others] = parts
  if (part === undefined) return place.calls.get(method)
  const named = place.next.get(part)
  const found = named && find(named, others, method, values)
  if (found) return found
  if (place.any && part !== '') {
    values.push(part)
    const open = find(place.any, others, method, values)
    if (open) return open
    values.pop()
  }
  return place.rest.get(method)
}

function decoded (part: string): string {
  if (!part.includes('%')) return part
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
