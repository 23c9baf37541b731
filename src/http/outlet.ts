/** Connections shared by all clients of the process with the same connection options; closed when the last client closes. */
import { createHash } from 'node:crypto'
import type { Dispatcher } from 'undici'
import { createAgent } from './agent.ts'
import { createLine } from './line.ts'
import type { Line } from './line.ts'
import type { CheckedHttp, Connecting } from './options.ts'

export interface Outlet {
  dispatcher: Dispatcher
  /** True for the application's own dispatcher, which may not report when it starts to send. */
  foreign: boolean
  /** The queue of calls to this host. */
  lineTo (origin: string): Line
}

/** An outlet in use. */
export interface Lease {
  outlet: Promise<Outlet>
  /** Call it once. If no other client uses the connections, idle ones are closed now, the others after their call or after `patience` milliseconds. */
  release (patience: number): Promise<void>
}

interface Shared { outlet: Promise<Outlet>, users: number }

const all = new Map<string, Shared>()

/** A different certificate, authority or proxy means a different outlet: a connection that presented one merchant's certificate never carries another's calls. */
const keyOf = (connecting: Connecting) => createHash('sha256').update(JSON.stringify(connecting)).digest('hex')

export function lease ({ dispatcher, connecting }: CheckedHttp): Lease {
  if (dispatcher) return { outlet: Promise.resolve(outletOf(dispatcher, connecting.connections, true)), release: async () => {} }
  const key = keyOf(connecting)
  const shared: Shared = all.get(key) ?? { outlet: createAgent(connecting).then(agent => outletOf(agent, connecting.connections, false)), users: 0 }
  all.set(key, shared)
  shared.users++
  let released = false
  return {
    outlet: shared.outlet,
    async release (patience) {
      if (released) return
      released = true
      if (--shared.users > 0) return
      all.delete(key)
      await end((await shared.outlet).dispatcher, patience)
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

function outletOf (dispatcher: Dispatcher, connections: number, foreign: boolean): Outlet {
  const lines = new Map<string, Line>()
  return {
    dispatcher,
    foreign,
    lineTo (origin) {
      let line = lines.get(origin)
      if (!line) lines.set(origin, line = createLine(connections))
      return line
    }
  }
}
