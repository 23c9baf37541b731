/** A server that simulates network faults and invalid answers. */
import { createServer } from 'node:http'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'

export interface Seen { method: string, url: string, headers: IncomingMessage['headers'], body: string }

export type Answer = (seen: Seen, reply: ServerResponse, request: IncomingMessage) => void

export async function fakeServer (answer: Answer) {
  const seen: Seen[] = []
  const current = { answer }
  const listener: RequestListener = async (request, reply) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const one = { method: String(request.method), url: String(request.url), headers: request.headers, body: Buffer.concat(chunks).toString() }
    seen.push(one)
    current.answer(one, reply, request)
  }
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    origin,
    endpoints: { api: origin, open: origin, pay: origin, payBackup: origin },
    seen,
    /** Changes the answer from now on. */
    become: (answer: Answer) => { current.answer = answer },
    close () {
      server.close()
      server.closeAllConnections()
    }
  }
}

export const json = (value: unknown): Answer => (_seen, reply) => { reply.end(JSON.stringify(value)) }

/** Invalid answers. */
export const FAULTS: Record<string, Answer> = {
  HTML: (_seen, reply) => { reply.setHeader('content-type', 'text/html').end('<html><body>502 Bad Gateway</body></html>') },
  empty: (_seen, reply) => { reply.end() },
  garbage: (_seen, reply) => { reply.end('\u0000\u0001{{{') },
  'cut JSON': (_seen, reply) => { reply.end('{"access_token":"abc') },
  'cut body': (_seen, reply) => { reply.setHeader('content-length', 1000).write('{"a":'); setTimeout(() => reply.destroy(), 10) },
  reset: (_seen, reply) => { reply.destroy() },
  'HTTP 502': (_seen, reply) => { reply.writeHead(502).end('bad gateway') },
  'HTTP 404': (_seen, reply) => { reply.writeHead(404).end('<html>not found</html>') },
  'a redirect': (_seen, reply) => { reply.writeHead(302, { location: 'http://127.0.0.1:1/elsewhere' }).end() },
  compressed: (_seen, reply) => { reply.writeHead(200, { 'content-encoding': 'gzip' }).end('x') },
  'too large': (_seen, reply) => { reply.end(Buffer.alloc(9 << 20, 0x7b)) }
}
