/** The same emulator behind TLS that asks for the client's certificate, as WeChat's hosts do; and the way there for clients that take a proxy. */
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { WECHAT_HOSTS } from '../keys/pki.ts'
import type { Authority } from '../keys/pki.ts'

/** Milliseconds, as WeChat's own `Keep-Alive: timeout=8` says. */
export const KEEP_ALIVE = 8000

export interface SecureOptions {
  port: number
  host: string
  handle (request: IncomingMessage, reply: ServerResponse): void
}

/** Its port; ends with the app. */
export async function listenSecurely (app: FastifyInstance, authority: Authority, { port, host, handle }: SecureOptions): Promise<number> {
  // Asked for, not insisted on: most calls come without, and those that need one are refused by name.
  const server = createServer({ requestCert: true, rejectUnauthorized: false, keepAliveTimeout: KEEP_ALIVE }, handle)
  // Before the server's own listener. Many emulators never see one.
  server.prependOnceListener('connection', () => server.setSecureContext({ ...authority.server, ca: authority.ca }))
  server.listen(port, host)
  await once(server, 'listening')
  // An app that listens takes no more hooks: its own server tells when it ends.
  app.server.once('close', () => {
    server.close()
    server.closeAllConnections()
  })
  return (server.address() as AddressInfo).port
}

const HOSTS = new Set<string>(WECHAT_HOSTS)

/** HTTPS_PROXY may name this emulator: WeChat's hosts then lead here, and all others nowhere. */
export function proxyWechat (app: FastifyInstance, secure: { port: number }, host: string): void {
  // Node does not count such connections as the server's own, and closing it would wait for their end.
  const tunnels = new Set<Duplex>()
  app.addHook('preClose', async () => { for (const tunnel of tunnels) tunnel.destroy() })
  app.server.on('connect', (request, client, head) => {
    tunnels.add(client)
    client.once('close', () => tunnels.delete(client))
    client.on('error', () => client.destroy())
    const [name = '', port] = (request.url ?? '').split(':')
    if (!HOSTS.has(name) || port !== '443') {
      client.end('HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nThe WeChat emulator is a proxy for WeChat\'s hosts only: name the others in NO_PROXY.\n')
      return
    }
    const upstream = connect(secure.port, host, () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      upstream.write(head)
      upstream.pipe(client).pipe(upstream)
    })
    upstream.on('error', () => client.destroy())
    client.on('close', () => upstream.destroy())
  })
}
