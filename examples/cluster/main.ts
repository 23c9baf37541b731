/** `REDIS_URL=redis://127.0.0.1:6379 npx tsx examples/cluster/main.ts`: four processes, one Redis, one token. */
import cluster from 'node:cluster'
import { once } from 'node:events'
import { createEmulator } from '../../plugins/emulator/server/emulator.ts'
import { createWorker } from './worker.ts'
import type { WorkerOptions } from './worker.ts'

const PROCESSES = 4
const REQUESTS = 400
/** Concurrent requests. */
const CALLERS = 40

if (cluster.isPrimary) {
  await runPrimary().catch((error: Error) => {
    // fetch puts the reason into the error's cause.
    console.error(error.message, error.cause ?? '')
    process.exit(1)
  })
} else await serve(JSON.parse(process.env.WORKER_OPTIONS ?? '{}'))

async function serve (options: WorkerOptions): Promise<void> {
  const app = await createWorker(options)
  // Port 0 in node:cluster: any free port, the same for all workers.
  await app.listen({ port: 0 })
}

async function runPrimary (): Promise<void> {
  const emulator = await createEmulator()
  const { merchant: _unused, ...account } = emulator.config
  const options: WorkerOptions = { account, redisUrl: process.env.REDIS_URL ?? 'redis://127.0.0.1:6379' }
  const ports = await Promise.all(Array.from({ length: PROCESSES }, async () => {
    const worker = cluster.fork({ WORKER_OPTIONS: JSON.stringify(options) })
    const [outcome] = await Promise.race([once(worker, 'listening'), once(worker, 'exit')])
    if (typeof outcome !== 'object') throw new Error(`a process did not start: is Redis at ${options.redisUrl}?`)
    return outcome.port as number
  }))
  const [port] = ports

  async function ask (path: string): Promise<void> {
    const served = new Map<string, number>()
    let left = REQUESTS
    const caller = async () => {
      while (left-- > 0) {
        // A new connection per request, so that the processes take turns.
        const reply = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: 'close' } })
        const answer = await reply.text()
        if (!reply.ok) throw new Error(`${path} answered ${reply.status}: ${answer}`)
        const pid = String(reply.headers.get('x-process'))
        served.set(pid, (served.get(pid) ?? 0) + 1)
      }
    }
    await Promise.all(Array.from({ length: CALLERS }, caller))
    const { tokens, tickets } = await emulator.issued()
    console.log(`${served.size} processes answered ${REQUESTS} requests of ${path.split('?')[0]} (${[...served.values()].join(' + ')}); issued so far: ${tokens} access_token, ${tickets} jsapi_ticket`)
  }

  await ask(`/wechat/jssdk?url=${encodeURIComponent('https://shop.example.com/product/1')}`)
  await emulator.expireTokens()
  console.log('The access_token is revoked. All processes receive errors for it, and one of them requests a new one for all:')
  await ask('/wechat-servers')
  for (const worker of Object.values(cluster.workers ?? {})) worker?.kill()
  await emulator.close()
}
