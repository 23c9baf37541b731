/** One request and its answer: its place in the queue, its time limit, and whether any of it was sent. */
import { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { HttpReply } from './http.ts'
import { WechatError } from '../errors.ts'
import { asNetworkError, neverConnected, TIMED_OUT } from './failure.ts'
import type { Transport } from './transport.ts'

export type Head = Omit<HttpReply, 'body'>

export interface OutgoingRequest {
  /** The call's name in errors. */
  name: string
  method: Dispatcher.HttpMethod
  origin: string
  path: string
  body: string | Uint8Array | null
  /** Called when it is this call's turn, so that a signature's timestamp is fresh. */
  headers (): Record<string, string> | Promise<Record<string, string>>
}

/** Receives the answer; `done` is called once. */
interface Receiver<T> {
  head (head: Head, controller: Dispatcher.DispatchController, done: (result: T) => void): void
  data (chunk: Buffer, controller: Dispatcher.DispatchController, done: (result: T) => void): void
  end (done: (result: T) => void): void
  /** Called for failures after `done`; earlier ones reject the call. */
  failed (error: Error): void
}

export interface BufferedReply extends Head {
  /** Undefined if it was larger than allowed. */
  body: Buffer | undefined
}

/** The whole answer, within `timeout` milliseconds. @throws WechatNetworkError */
export function exchangeBuffered (transport: Transport, request: OutgoingRequest, timeout: number, maxBytes: number): Promise<BufferedReply> {
  const chunks: Buffer[] = []
  let size = 0
  let head: Head
  return exchange<BufferedReply>(transport, request, timeout, 0, {
    head (given) { head = given },
    data (chunk, controller, done) {
      size += chunk.length
      chunks.push(chunk)
      if (size <= maxBytes) return
      done({ ...head, body: undefined })
      controller.abort(new Error('too large'))
    },
    end (done) { done({ status: head.status, headers: head.headers, body: chunks.length === 1 ? chunks[0] as Buffer : Buffer.concat(chunks) }) },
    failed () { /* the caller already has its result */ }
  })
}

export interface StreamedReply extends Head {
  /** Destroying it, or leaving its loop, closes the connection. */
  body: Readable
}

/** Resolves with the answer's head within `timeout` milliseconds; each chunk of the body may take as long again. @throws WechatNetworkError */
export function exchangeStreamed (transport: Transport, request: OutgoingRequest, timeout: number): Promise<StreamedReply> {
  let body: Readable
  let ended = false
  return exchange<StreamedReply>(transport, request, timeout, timeout, {
    head (head, controller, done) {
      body = new Readable({
        read () { controller.resume() },
        destroy (error, closed) {
          if (!ended) controller.abort(error ?? new Error('the reader stopped'))
          closed(error)
        }
      })
      // A reader gets the error anyway; without a reader it must not end the process.
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
      // `body` is undefined if the call was given up in the queue.
      body?.destroy(asNetworkError(request.name, error, true))
    }
  })
}

/** The share of its time that a call may spend in the queue. */
const LAST_TURN = 0.8

function exchange<T> ({ dispatcher, foreign, queueOf }: Transport, request: OutgoingRequest, timeout: number, bodyTimeout: number, receiver: Receiver<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    /** Settled: over for the caller, even if the socket is still busy. */
    let settled = false
    /** Handed to undici, which will report how it ended. */
    let dispatched = false
    /** undici has started to write it: from now on WeChat may act. */
    let sent = false
    let controller: Dispatcher.DispatchController | undefined
    const lastTurn = performance.now() + timeout * LAST_TURN

    const settle = () => {
      settled = true
      clearTimeout(timer)
    }
    const done = (result: T) => {
      if (settled) return
      settle()
      resolve(result)
    }
    const fail = (error: unknown) => {
      if (settled) return
      settle()
      // A custom dispatcher may not report when it starts to send.
      reject(asNetworkError(request.name, error, sent || (foreign && dispatched && !neverConnected(error))))
    }

    // A plain timer: an AbortSignal for each call costs several times as much.
    const timer = setTimeout(() => {
      fail(TIMED_OUT)
      if (!dispatched) leave()
      controller?.abort(TIMED_OUT)
    }, timeout)

    const handler: Dispatcher.DispatchHandler = {
      onRequestStart (current) {
        // Timed out while connecting: write nothing.
        if (settled) return current.abort(TIMED_OUT)
        controller = current
        sent = true
      },
      onResponseStart (current, status, headers) {
        if (status < 200 || settled) return
        const texts: Record<string, string> = {}
        for (const name in headers) texts[name] = String(headers[name])
        receiver.head({ status, headers: texts }, current, done)
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

    function dispatch (headers: Record<string, string>): void {
      if (settled) return
      dispatched = true
      const { method, origin, path, body } = request
      dispatcher.dispatch({ method, origin, path, headers, body, headersTimeout: 0, bodyTimeout }, handler)
    }

    function notDispatched (error: unknown): void {
      leave()
      if (!(error instanceof WechatError)) return fail(error)
      if (settled) return
      settle()
      reject(error)
    }

    function go (): void {
      try {
        const headers = request.headers()
        if (headers instanceof Promise) headers.then(dispatch).catch(notDispatched)
        else dispatch(headers)
      } catch (error) {
        notDispatched(error)
      }
    }

    let onTurn: (() => void) | undefined
    let isTurn = false
    const leave = queueOf(request.origin).enter(() => {
      isTurn = true
      onTurn?.()
    })
    if (isTurn) return go()
    // A later turn may come while another call ends. With a promise, undici finishes that call first, and this call keeps its own async context.
    new Promise<void>(resolve => { onTurn = resolve }).then(() => {
      if (settled) return
      // Too late to get the answer in time: not sending is better than an unknown outcome.
      if (performance.now() > lastTurn) return notDispatched(TIMED_OUT)
      go()
    })
  })
}
