/** The part of a Fastify (pino) logger that the core uses. No secrets are written to it. */
export interface Log {
  debug (details: object, message: string): void
  info (details: object, message: string): void
  warn (details: object, message: string): void
  error (details: object, message: string): void
}

const ignore = () => {}
export const silent: Log = { debug: ignore, info: ignore, warn: ignore, error: ignore }
