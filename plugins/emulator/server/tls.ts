/** The emulator behind TLS that requests a client certificate, like WeChat's hosts, and a CONNECT proxy to it. */
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { WECHAT_HOSTS } from '../keys/pki.ts'
import type { Authority } from '../keys/pki.ts'

/** Milliseconds; WeChat sends `Keep-Alive: timeout=8`. */
export const KEEP_ALIVE = 8000

export interface SecureOptions {
  port: number
  host: string
  handle (request: IncomingMessage, reply: ServerResponse): void
}

/** Returns the port. Closes with the app. */
export async function listenSecurely (app: FastifyInstance, authority: Authority, { port, host, handle }: SecureOptions): Promise<number> {
  // Requested, not required: most calls have no certificate, and calls that need one check it themselves.
  const server = createServer({ requestCert: true, rejectUnauthorized: false, keepAliveTimeout: KEEP_ALIVE }, handle)
  // Before the server's own listener. Many emulators never see one.
  server.prependOnceListener('connection', () => server.setSecureContext({ ...authority.server, ca: authority.ca }))
  server.listen(port, host)
  await once(server, 'listening')
  // No hooks can be added to a listening app, so listen for its server's close event.
  app.server.once('close', () => {
    server.close()
    server.closeAllConnections()
  })
  return (server.address() as AddressInfo).port
}

const HOSTS = new Set<string>(WECHAT_HOSTS)

/** HTTPS_PROXY may point to the emulator: CONNECT to WeChat's hosts leads here, all other hosts are refused. */
export function proxyWechat (app: FastifyInstance, secure: { port: number }, host: string): void {
  // Node does not close CONNECT sockets with the server, and closing would wait for them.
  const tunnels = new Set<Duplex>()
  app.addHook('preClose', async () => { for (const tunnel of tunnels) tunnel.destroy() })
  app.server.on('connect', (request, client, head) => {
    tunnels.add(client)
    client.once('close', () => tunnels.delete(client))
    client.on('error', () => client.destroy())
    const [name = '', port] = (request.url ?? '').split(':')
    if (!HOSTS.has(name) || port !== '443') {
      client.end('HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nThe WeChat emulator is a proxy for WeChat\'s hosts only: list other hosts in NO_PROXY.\n')
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
