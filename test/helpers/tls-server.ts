/** A local TLS server that counts its sockets, and a local proxy. */
import { once } from 'node:events'
import { createServer as createPlain } from 'node:http'
import type { RequestListener, Server } from 'node:http'
import { createServer as createSecure } from 'node:https'
import { connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import type { TLSSocket, TlsOptions } from 'node:tls'

type Ending = { teardown (end: () => unknown): unknown }

async function listen (t: Ending, server: Server): Promise<number> {
  const sockets = new Set<Socket>()
  const keep = (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
  }
  server.on('connection', keep)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return (server.address() as AddressInfo).port
}

/** `open`: currently open sockets; `peak`: maximum open at a time. */
export async function tlsServer (t: Ending, tls: TlsOptions, answer: RequestListener) {
  const count = { open: 0, peak: 0, total: 0, resumed: 0, clientNames: [] as string[] }
  const server = createSecure(tls, answer)
  server.on('secureConnection', (socket: TLSSocket) => {
    count.total++
    if (socket.isSessionReused()) count.resumed++
    count.clientNames.push(String(socket.getPeerCertificate()?.subject?.CN ?? ''))
    count.peak = Math.max(count.peak, ++count.open)
    socket.on('close', () => { count.open-- })
  })
  const port = await listen(t, server)
  return { server, port, origin: `https://localhost:${port}`, count }
}

/** A CONNECT proxy; `credentials`: required `user:password`; `tls`: an https proxy. */
export async function connectProxy (t: Ending, { credentials, tls, hangs = false }: { credentials?: string, tls?: TlsOptions, hangs?: boolean } = {}) {
  const seen: string[] = []
  const clientNames: string[] = []
  const server = tls ? createSecure(tls) : createPlain()
  server.on('connect', (request, client: Socket, head: Buffer) => {
    seen.push(String(request.url))
    if (tls) clientNames.push(String((client as TLSSocket).getPeerCertificate()?.subject?.CN ?? ''))
    client.on('error', () => {})
    if (hangs) return
    if (credentials && request.headers['proxy-authorization'] !== `Basic ${Buffer.from(credentials).toString('base64')}`) {
      client.end('HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
      return
    }
    const { port } = new URL(`http://${request.url}`)
    const there = connect(Number(port), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      there.write(head)
      there.pipe(client).pipe(there)
    })
    there.on('error', () => client.destroy()).on('close', () => client.destroy())
    client.on('close', () => there.destroy())
  })
  const port = await listen(t, server)
  return { port, seen, clientNames, url: `${tls ? 'https' : 'http'}://${credentials ? `${credentials}@` : ''}localhost:${port}` }
}

/** Waits until the condition is true, or until the test's timeout. */
export async function until (isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise(resolve => setTimeout(resolve, 10))
}
