/** A real Redis on a free port, started by the test and killed by it. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { need } from './needs.ts'

export const { path, skip } = need('redis-server')

export async function freePort (): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}

export async function startRedis (port?: number) {
  const at = port ?? await freePort()
  let server: ChildProcess
  const clients: Redis[] = []

  async function start () {
    server = spawn(path, ['--port', String(at), '--save', '', '--appendonly', 'no', '--loglevel', 'warning'], { stdio: 'ignore' })
    for (let tries = 0; tries < 200; tries++) {
      const probe = new Redis({ port: at, lazyConnect: true, retryStrategy: () => null })
      probe.on('error', () => {})
      try {
        await probe.connect()
        await probe.ping()
        return
      } catch {
        await sleep(25)
      } finally {
        probe.disconnect()
      }
    }
    throw new Error('Redis did not start')
  }

  await start()
  return {
    port: at,
    client (): Redis {
      const client = new Redis({ port: at })
      client.on('error', () => {})
      clients.push(client)
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
