/** Connections shared by all clients of the process with the same connection options; closed when the last client closes. */
import { createHash } from 'node:crypto'
import type { Dispatcher } from 'undici'
import { createAgent } from './agent.ts'
import { createCallQueue } from './call-queue.ts'
import type { CallQueue } from './call-queue.ts'
import type { CheckedHttp, Connecting } from './options.ts'

export interface Transport {
  dispatcher: Dispatcher
  /** True for the application's own dispatcher, which may not report when it starts to send. */
  foreign: boolean
  /** The queue of calls to this host. */
  queueOf (origin: string): CallQueue
}

/** A transport in use. */
export interface Lease {
  transport: Promise<Transport>
  /** Call it once. If no other client uses the connections, idle ones are closed now, the others after their call or after `patience` milliseconds. */
  release (patience: number): Promise<void>
}

interface Shared { transport: Promise<Transport>, users: number }

const all = new Map<string, Shared>()

/** A different certificate, authority or proxy means a different transport: a connection that presented one merchant's certificate never carries another's calls. */
const keyOf = (connecting: Connecting) => createHash('sha256').update(JSON.stringify(connecting)).digest('hex')

export function lease ({ dispatcher, connecting }: CheckedHttp): Lease {
  if (dispatcher) return { transport: Promise.resolve(transportOf(dispatcher, connecting.connections, true)), release: async () => {} }
  const key = keyOf(connecting)
  const shared: Shared = all.get(key) ?? { transport: createAgent(connecting).then(agent => transportOf(agent, connecting.connections, false)), users: 0 }
  all.set(key, shared)
  shared.users++
  let released = false
  return {
    transport: shared.transport,
    async release (patience) {
      if (released) return
      released = true
      if (--shared.users > 0) return
      all.delete(key)
      await end((await shared.transport).dispatcher, patience)
    }
  }
}

async function end (dispatcher: Dispatcher, patience: number): Promise<void> {
  const timer = setTimeout(() => { dispatcher.destroy().catch(() => {}) }, patience)
  try {
    await dispatcher.close()
  } finally {
    clearTimeout(timer)
  }
}

function transportOf (dispatcher: Dispatcher, connections: number, foreign: boolean): Transport {
  const queues = new Map<string, CallQueue>()
  return {
    dispatcher,
    foreign,
    queueOf (origin) {
      let queue = queues.get(origin)
      if (!queue) queues.set(origin, queue = createCallQueue(connections))
      return queue
    }
  }
}
