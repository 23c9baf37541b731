/** Starts a benchmark's worker process and exchanges messages with it. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

export interface BenchWorker { child: ChildProcess, port: number, ask<T> (question: string): Promise<T> }

/** `file`: in this folder. The worker sends `{ port }` when it listens, and answers each question with `{ question, … }`. */
export async function startWorker (file: string, options: object): Promise<BenchWorker> {
  const child = spawn(process.execPath, ['--import', 'tsx', fileURLToPath(new URL(file, import.meta.url)), JSON.stringify(options)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const [{ port }] = await once(child, 'message') as [{ port: number }]
  return {
    child,
    port,
    async ask (question) {
      child.send(question)
      for (;;) {
        const [answer] = await once(child, 'message')
        if (answer.question === question) return answer
      }
    }
  }
}
