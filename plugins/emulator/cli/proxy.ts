/** The proxy that `exec` sets for its command: WeChat's hosts go to the emulator, all others to their usual destination. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { WECHAT_HOSTS } from '../keys/pki.ts'

export interface Target { host: string, port: number }

const HOSTS = new Set<string>(WECHAT_HOSTS)

/** `outer`: the previously configured proxy, for all other hosts. Listens on localhost only. */
export async function startProxy (emulator: Target, outer?: string): Promise<{ url: string, close (): void }> {
  const sockets = new Set<Socket>()
  const server = createServer((_request, reply) => { reply.writeHead(400).end('This proxy of wechat-emulator exec accepts only CONNECT.\n') })
  server.on('connect', (request, client: Socket, head) => {
    const [, name = '', port = ''] = /^\[?([^\]]*?)\]?:(\d+)$/.exec(request.url ?? '') ?? []
    const isWechat = HOSTS.has(name.toLowerCase()) && port === '443'
    const via = !isWechat && outer !== undefined ? new URL(outer) : undefined
    const target = isWechat ? emulator : via ? { host: via.hostname, port: Number(via.port || 80) } : { host: name, port: Number(port) }
    const upstream = connect(target.port, target.host, () => {
      if (via) upstream.write(`CONNECT ${request.url} HTTP/1.1\r\nHost: ${request.url}\r\n${credentials(via)}\r\n`)
      else client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      upstream.write(head)
      upstream.pipe(client).pipe(upstream)
    })
    let answered = false
    upstream.once('connect', () => { answered = true })
    upstream.on('error', () => answered ? client.destroy() : client.end('HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\r\n'))
    client.on('error', () => upstream.destroy())
    for (const [socket, other] of [[client, upstream], [upstream, client]] as const) {
      sockets.add(socket)
      socket.once('close', () => {
        sockets.delete(socket)
        other.end()
      })
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close () {
      server.close()
      server.closeAllConnections()
      for (const socket of sockets) socket.destroy()
    }
  }
}

function credentials ({ username, password }: URL): string {
  if (username === '') return ''
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return `Proxy-Authorization: Basic ${Buffer.from(pair).toString('base64')}\r\n`
}
