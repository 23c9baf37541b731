/** Generates the control interface's OpenAPI document from its route schemas with @fastify/swagger. `--write`: updates the file that the emulator serves. */
import { writeFileSync } from 'node:fs'
import swagger from '@fastify/swagger'
import Fastify from 'fastify'
import { controlRoutes } from '../../plugins/emulator/control/control.ts'
import type { ControlParts } from '../../plugins/emulator/control/control.ts'
import { createState } from '../../plugins/emulator/state/state.ts'

export const FILE = new URL('../../plugins/emulator/control/static/openapi.json', import.meta.url)

export async function controlDocument (): Promise<string> {
  const app = Fastify()
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'WeChat emulator: control interface', description: 'Plays the visitor, provokes faults, and shows what WeChat knows. WeChat\'s own paths are not in here: WeChat documents them.', version: '1' },
      servers: [{ url: 'http://127.0.0.1:8788' }]
    },
    // The dashboard's files.
    hideUntagged: true
  })
  // The routes are only described, never called, so they need no state.
  const nothing: object = new Proxy(() => nothing, { get: () => nothing })
  await app.register(async scope => controlRoutes(scope, createState(), nothing as ControlParts), { prefix: '/_emulator' })
  await app.ready()
  const document = JSON.stringify(app.swagger(), null, 2)
  await app.close()
  return `${document}\n`
}

if (process.argv.includes('--write')) writeFileSync(FILE, await controlDocument())
