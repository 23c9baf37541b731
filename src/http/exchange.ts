/** One request and its answer: its turn in line, the time it may take, and whether anything of it was sent. */
import { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { HttpReply } from './http.ts'
import { WechatError } from '../errors.ts'
import { asNetworkError, neverConnected, TIMED_OUT } from './failure.ts'
import type { Outlet } from './outlet.ts'

export type Head = Omit<HttpReply, 'body'>

export interface Asked {
  /** What the call is called in errors. */
  name: string
  method: Dispatcher.HttpMethod
  origin: string
  path: string
  body: string | Uint8Array | null
  /** Made once it is this call's turn, so that a signature's timestamp is young. */
  headers (): Promise<Record<string, string>>
}

/** What becomes of the answer, for which `done` is called once. */
interface Receiver<T> {
  head (head: Head, controller: Dispatcher.DispatchController, done: (result: T) => void): void
  data (chunk: Buffer, controller: Dispatcher.DispatchController, done: (result: T) => void): void
  end (done: (result: T) => void): void
  /** After `done`; a failure before it is the call's. */
  failed (error: Error): void
}

export interface Whole extends Head {
  /** Undefined if there was more of it than allowed. */
  body: Buffer | undefined
}

/** The whole answer, within `timeout` milliseconds. @throws WechatNetworkError */
export async function exchangeWhole (outlet: Outlet, asked: Asked, timeout: number, maxBytes: number): Promise<Whole> {
  const chunks: Buffer[] = []
  let size = 0
  let head: Head
  return await exchange<Whole>(outlet, asked, timeout, 0, {
    head (given) { head = given },
    data (chunk, controller, done) {
      size += chunk.length
      chunks.push(chunk)
      if (size <= maxBytes) return
      done({ ...head, body: undefined })
      controller.abort(new Error('too large'))
    },
    end (done) { done({ ...head, body: chunks.length === 1 ? chunks[0] as Buffer : Buffer.concat(chunks) }) },
    failed () { /* nobody waits any more */ }
  })
}

export interface Flowing extends Head {
  /** Destroy it, or leave its loop, and the connection is closed. */
  body: Readable
}

/** The answer's head within `timeout` milliseconds; each wait for more of its body may take as long again. @throws WechatNetworkError */
export async function exchangeFlowing (outlet: Outlet, asked: Asked, timeout: number): Promise<Flowing> {
  let body: Readable
  let ended = false
  return await exchange<Flowing>(outlet, asked, timeout, timeout, {
    head (head, controller, done) {
      body = new Readable({
        read () { controller.resume() },
        destroy (error, closed) {
          if (!ended) controller.abort(error ?? new Error('nobody reads on'))
          closed(error)
        }
      })
      // Whoever reads it hears of the error; where nobody does, it must not end the process.
      body.on('error', () => {})
      done({ ...head, body })
    },
    data (chunk, controller) { if (!body.push(chunk)) controller.pause() },
    end () {
      ended = true
      body.push(null)
    },
    failed (error) {
      ended = true
      // The end of a call that was given up in line is nobody's concern.
      body?.destroy(asNetworkError(asked.name, error, true))
    }
  })
}

/** What a call may spend of its time in line. */
const LAST_TURN = 0.8

function exchange<T> ({ dispatcher, foreign, lineTo }: Outlet, asked: Asked, timeout: number, bodyTimeout: number, receiver: Receiver<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    /** Settled: for whoever waits it is over, though the socket may not know yet. */
    let over = false
    /** Undici has it, and will say how it ended. */
    let handed = false
    /** Undici has begun to write it: from now on WeChat may act. */
    let sent = false
    let controller: Dispatcher.DispatchController | undefined
    const lastTurn = performance.now() + timeout * LAST_TURN

    const settle = () => {
      over = true
      clearTimeout(timer)
    }
    const done = (result: T) => {
      if (over) return
      settle()
      resolve(result)
    }
    const fail = (error: unknown) => {
      if (over) return
      settle()
      // Another's dispatcher need not tell when it begins to send.
      reject(asNetworkError(asked.name, error, sent || (foreign && handed && !neverConnected(error))))
    }

    // One timer for all: a signal for each call costs several times as much.
    const timer = setTimeout(() => {
      fail(TIMED_OUT)
      if (!handed) leave()
      controller?.abort(TIMED_OUT)
    }, timeout)

    const handler: Dispatcher.DispatchHandler = {
      onRequestStart (current) {
        // Its time was over while the connection was being made: nothing is written.
        if (over) return current.abort(TIMED_OUT)
        controller = current
        sent = true
      },
      onResponseStart (current, status, headers) {
        if (status < 200 || over) return
        receiver.head({ status, headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)])) }, current, done)
      },
      onResponseData (current, chunk) { receiver.data(chunk, current, done) },
      onResponseEnd () {
        leave()
        receiver.end(done)
      },
      onResponseError (_current, error) {
        leave()
        fail(error)
        receiver.failed(error)
      }
    }

    async function go (): Promise<void> {
      const headers = await asked.headers()
      if (over) return
      handed = true
      const { method, origin, path, body } = asked
      dispatcher.dispatch({ method, origin, path, headers, body, headersTimeout: 0, bodyTimeout }, handler)
    }

    // The turn may come in the middle of another call's end: undici shall have finished that first, and whoever watches sees this call's own context.
    let take!: () => void
    const turn = new Promise<void>(resolve => { take = resolve })
    const leave = lineTo(asked.origin).enter(() => { take() })
    turn.then(async () => {
      if (over) return
      // Too late to hear the answer: better not sent than of unknown outcome.
      if (performance.now() > lastTurn) throw TIMED_OUT
      await go()
    }).catch((error: unknown) => {
      leave()
      if (!(error instanceof WechatError)) return fail(error)
      if (over) return
      settle()
      reject(error)
    })
  })
}
