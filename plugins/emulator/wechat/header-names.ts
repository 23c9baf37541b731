/** Header names in WeChat's spelling: some SDKs look them up case-sensitively. */
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { FastifyInstance } from 'fastify'

const ODD: Readonly<Record<string, string>> = { 'request-id': 'Request-ID', etag: 'ETag', 'www-authenticate': 'WWW-Authenticate' }

// The emulator's own answers have few different names.
const known = new Map<string, string>()

function inWechatsCase (name: string): string {
  let spelt = known.get(name)
  if (spelt === undefined) known.set(name, spelt = ODD[name.toLowerCase()] ?? name.toLowerCase().replace(/(^|-)[a-z]/g, char => char.toUpperCase()))
  return spelt
}

export function headersInWechatsCase<T> (headers: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [inWechatsCase(name), value]))
}

/** Fastify lower-cases header names, so they are renamed when the head is written. */
export function answerInWechatsCase (app: FastifyInstance): void {
  app.addHook('onRequest', async (_request, { raw }) => {
    const writeHead = raw.writeHead.bind(raw) as (status: number, headers?: OutgoingHttpHeaders) => ServerResponse
    raw.writeHead = ((status: number, headers?: OutgoingHttpHeaders) => writeHead(status, headers && headersInWechatsCase(headers))) as typeof raw.writeHead
  })
}
