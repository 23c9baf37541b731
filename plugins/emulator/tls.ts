/** The same emulator behind TLS that asks for the client's certificate, as api.mch.weixin.qq.com does. */
import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Pki } from './pki.ts'

/** Its base URL; ends with the app. */
export async function listenSecurely (app: FastifyInstance, { ca, server: { key, cert } }: Pki, { port, host }: { port: number, host: string }): Promise<string> {
  // Asked for, not insisted on: most calls come without, and those that need one are refused by name.
  const server = createServer({ key, cert, ca, requestCert: true, rejectUnauthorized: false }, (request, reply) => app.routing(request, reply))
  server.listen(port, host)
  await once(server, 'listening')
  closeWith(app, server)
  return `https://${host === '127.0.0.1' ? host : 'localhost'}:${(server.address() as AddressInfo).port}`
}

function closeWith (app: FastifyInstance, server: ReturnType<typeof createServer>): void {
  // An app that listens takes no more hooks: its own server tells when it ends.
  app.server.once('close', () => {
    server.close()
    server.closeAllConnections()
  })
}
