/** Multipart uploads: `meta` (JSON, the signed part) and `file`. */
import type { FastifyRequest } from 'fastify'

export interface Upload { meta: string, file: Buffer, filename: string }

export const isMultipart = ({ headers }: FastifyRequest) => /^multipart\/form-data\b/i.test(headers['content-type'] ?? '')

/** Undefined if the Content-Type has no boundary. */
export function readUpload (request: FastifyRequest): Upload | undefined {
  const boundary = /;\s*boundary="?([^";]+)/i.exec(request.headers['content-type'] ?? '')?.[1]
  if (boundary === undefined || !isMultipart(request)) return undefined
  const parts = (Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)).toString('latin1').split(`--${boundary}`)
  const part = (name: string) => parts.find(part => new RegExp(`name="?${name}"?[;\\r\\n]`).test(part)) ?? ''
  const content = (name: string) => Buffer.from(part(name).split('\r\n\r\n').slice(1).join('\r\n\r\n').replace(/\r\n$/, ''), 'latin1')
  return { meta: content('meta').toString(), file: content('file'), filename: /filename="([^"]*)"/.exec(part('file'))?.[1] ?? '' }
}
