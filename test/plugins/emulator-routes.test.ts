/** The emulator's own routing finds the same calls as Fastify's router. */
import Fastify from 'fastify'
import type { FastifyReply } from 'fastify'
import t from 'tap'
import { createRoutes } from '../../plugins/emulator/wechat/routes.ts'

async function server (prefix = '') {
  const app = Fastify({ exposeHeadRoutes: false })
  const hooks: string[] = []
  await app.register(async scope => {
    const missing = async (_request: unknown, reply: FastifyReply) => reply.code(404).send({ missing: true })
    const { routes, mount } = createRoutes(scope, { missing })
    routes.get('/v3/orders/:number', async ({ params }) => ({ one: params }))
    routes.get('/v3/orders/all', async () => ({ all: true }))
    routes.post('/v3/orders/:number/parts/:part', async ({ params, body }) => ({ params, body }))
    routes.get('/v3/orders/all/last', async () => ({ last: true }))
    routes.route({ method: 'PUT', url: '/v3/orders/:id', handler: async ({ params }) => ({ put: params }) })
    routes.post('/open/*', async () => ({ open: true }))
    routes.get('/alone', async () => ({ alone: true }))
    mount()
    scope.addHook('preHandler', async ({ url }) => { hooks.push(url) })
    scope.setNotFoundHandler(missing)
  }, { prefix })
  const ask = async (method: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'HEAD', url: string, payload?: object) => {
    const { statusCode, body } = await app.inject({ method, url: prefix + url, ...(payload && { payload }) })
    return [statusCode, body && JSON.parse(body)]
  }
  return { app, ask, hooks }
}

t.test('paths, parts and methods', async t => {
  for (const prefix of ['', '/second']) {
    const { app, ask, hooks } = await server(prefix)
    t.same(await ask('GET', '/v3/orders/A1?x=1'), [200, { one: { number: 'A1' } }])
    t.same(await ask('GET', '/v3/orders/all'), [200, { all: true }], 'a fixed segment takes precedence over a parameter')
    t.same(await ask('GET', '/v3/orders/all/last'), [200, { last: true }])
    t.same(await ask('POST', '/v3/orders/all/parts/2', { x: 1 }), [200, { params: { number: 'all', part: '2' }, body: { x: 1 } }], 'and falls back to the parameter')
    t.same(await ask('PUT', '/v3/orders/A1'), [200, { put: { id: 'A1' } }], 'each method has its own parameter names')
    t.same(await ask('GET', '/v3/orders/A%2F1%20%E4%BA%AC'), [200, { one: { number: 'A/1 京' } }], 'split before it is decoded')
    t.same(await ask('GET', '/v3/orders/%E4%'), [400, { error: 'Bad Request', code: 'FST_ERR_BAD_URL', message: `'${prefix}/v3/orders/%E4%' is not a valid url component`, statusCode: 400 }])
    t.same(await ask('POST', '/open/any/thing'), [200, { open: true }])
    t.same(await ask('GET', '/alone'), [200, { alone: true }])

    hooks.length = 0
    for (const [method, url] of [['GET', '/v3/orders'], ['GET', '/v3/orders/'], ['GET', '/v3/orders/A1/'], ['DELETE', '/v3/orders/A1'], ['GET', '/open/any'], ['POST', '/alone'], ['GET', '/alone/more'], ['GET', '/V3/orders/A1'], ['GET', '/other'], ['GET', '/v3/orders/constructor/__proto__']] as const) {
      t.same(await ask(method, url), [404, { missing: true }], `${method} ${url}`)
    }
    t.equal(hooks.length, 10, 'hooks run once for unknown paths')
    await app.close()
  }
})

t.test('HEAD is derived from GET, as in Fastify', async t => {
  const app = Fastify()
  const { routes, mount } = createRoutes(app)
  routes.get('/v3/orders/:number', async ({ params }) => params)
  mount()
  t.match(await app.inject({ method: 'HEAD', url: '/v3/orders/A1' }), { statusCode: 200, body: '' })
  await app.close()
})
