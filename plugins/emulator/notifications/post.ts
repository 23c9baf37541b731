/** Calls the merchant's server. undici is loaded by the first call, because importing it takes longer than the emulator's start. */

/** How long the merchant has to answer, in milliseconds. */
const TIMEOUT = 5000
/** How long closing waits for running calls, in milliseconds. */
const GRACE = 200

export interface Post { headers: Record<string, string>, body: string }

export interface Poster {
  /** @throws if there is no complete answer in time */
  post (url: string, message: Post): Promise<{ status: number, body: Buffer }>
  /** Waits for `work`, the deliveries that use this poster. Ends calls that take longer, so that a slow server does not keep the emulator from stopping. */
  close (work: Promise<unknown>): Promise<void>
}

export function createPoster (): Poster {
  const running = new Set<AbortController>()
  return {
    async post (url, { headers, body }) {
      // Not AbortSignal.any and AbortSignal.timeout, which cost several times as much.
      const controller = new AbortController()
      running.add(controller)
      const timer = setTimeout(() => { controller.abort(new Error(`no answer within ${TIMEOUT / 1000} seconds`)) }, TIMEOUT)
      try {
        const { request } = await import('undici')
        const reply = await request(url, { method: 'POST', headers, body, signal: controller.signal })
        return { status: reply.statusCode, body: Buffer.from(await reply.body.arrayBuffer()) }
      } finally {
        clearTimeout(timer)
        running.delete(controller)
      }
    },
    async close (work) {
      const timer = setTimeout(() => { for (const controller of running) controller.abort(new Error('the emulator was closed')) }, GRACE)
      await work
      clearTimeout(timer)
    }
  }
}
