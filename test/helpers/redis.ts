/** A Redis server on a free port, which is stopped after the test. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import type { RedisOptions } from 'ioredis'
import { freePort } from './free-port.ts'
import { need } from './needs.ts'

export const { path, skip } = need('redis-server')

export { freePort }

/** `args`: additional redis-server options. */
export async function startRedis (args: readonly string[] = []) {
  let at = await freePort()
  let server: ChildProcess
  const clients: Array<{ disconnect (): unknown }> = []

  /** Resolves when it answers; with `loading`, also while it is still loading its data. */
  async function start (more: readonly string[] = [], loading = false) {
    server = spawn(path, ['--port', String(at), '--save', '', '--appendonly', 'no', '--loglevel', 'warning', ...args, ...more], { stdio: 'ignore' })
    while (server.exitCode === null) {
      const probe = new Redis({ port: at, lazyConnect: true, retryStrategy: () => null, enableReadyCheck: false })
      probe.on('error', () => {})
      try {
        await probe.connect()
        // Another process has taken the port.
        if (!(await probe.info('server')).includes(`process_id:${server.pid}\r`)) break
        if (!loading) await probe.ping()
        return
      } catch {
        await sleep(25)
      } finally {
        probe.disconnect()
      }
    }
    server.kill('SIGKILL')
    throw new Error(`Redis did not start at port ${at}`)
  }

  for (let left = 5; ; left--) {
    try {
      await start()
      break
    } catch (error) {
      if (left === 0) throw error
      at = await freePort()
    }
  }
  return {
    port: at,
    client (options: RedisOptions = {}): Redis {
      const client = new Redis({ port: at, ...options })
      client.on('error', () => {})
      clients.push(client)
      return client
    },
    /** A connected client of the package `redis` (node-redis). */
    async nodeClient (options: { RESP?: 2 | 3 } = {}) {
      const { createClient } = await import('redis')
      const client = createClient({ url: `redis://127.0.0.1:${at}`, ...options })
      client.on('error', () => {})
      await client.connect()
      clients.push({ disconnect: () => client.destroy() })
      return client
    },
    start,
    signal: (signal: NodeJS.Signals) => server.kill(signal),
    async kill () {
      server.kill('SIGKILL')
      await once(server, 'exit')
    },
    async stop () {
      for (const client of clients) client.disconnect()
      server.kill('SIGKILL')
    }
  }
}
