/** Connections are shared by all clients of the process that connect alike, and end when the last of them does. */
import { createHash } from 'node:crypto'
import type { Dispatcher } from 'undici'
import { createAgent } from './agent.ts'
import { createLine } from './line.ts'
import type { Line } from './line.ts'
import type { CheckedHttp, Connecting } from './options.ts'

export interface Outlet {
  dispatcher: Dispatcher
  /** The host's own dispatcher: what it does between us and the socket, we do not know. */
  foreign: boolean
  /** Where calls to this host wait for a connection. */
  lineTo (origin: string): Line
}

/** An outlet in use. */
export interface Lease {
  outlet: Promise<Outlet>
  /** Once. The connections end if nobody else uses them: idle ones now, the others after their call, or after `patience` milliseconds. */
  release (patience: number): Promise<void>
}

interface Shared { outlet: Promise<Outlet>, users: number }

const all = new Map<string, Shared>()

/** Another certificate, authority or proxy is another outlet: a connection that has shown one merchant's certificate never carries another's calls. */
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
