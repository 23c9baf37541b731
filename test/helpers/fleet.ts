/** Worker processes that fetch tokens on request. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { unwatched } from './unwatched.ts'
import type { WorkerOrder } from './token-worker.ts'

export interface Worker {
  /** The distinct values that the callers got. */
  ask (order: WorkerOrder): Promise<string[]>
  /** Starts the calls without waiting for the result. */
  begin (order: WorkerOrder): void
  kill (signal: NodeJS.Signals): void
}

export async function startWorker (t: { teardown (end: () => unknown): unknown }, config: object, redisPort: number | number[]): Promise<Worker> {
  const child: ChildProcess = spawn('env', unwatched(process.execPath, ['--import', 'tsx', 'test/helpers/token-worker.ts', JSON.stringify({ config, redisPort })]), {
    cwd: new URL('../../', import.meta.url), stdio: ['ignore', 'inherit', 'inherit', 'ipc']
  })
  t.teardown(() => child.kill('SIGKILL'))
  await Promise.race([
    once(child, 'message'),
    once(child, 'close').then(([code]) => { throw new Error(`the process did not start: it ended with ${code}`) })
  ])
  return {
    async ask (order) {
      child.send(order)
      const [{ values }] = await once(child, 'message') as [{ values: string[] }]
      return values
    },
    begin: order => { child.send(order) },
    kill: signal => { child.kill(signal) }
  }
}

export const startWorkers = async (t: Parameters<typeof startWorker>[0], count: number, config: object, redisPort: number | number[]): Promise<Worker[]> =>
  await Promise.all(Array.from({ length: count }, () => startWorker(t, config, redisPort)))
