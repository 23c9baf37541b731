/** Runs a program of this repository from source, as in a user's shell. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { root } from './packed.ts'
import { unwatched } from './unwatched.ts'

export interface Surroundings { env?: NodeJS.ProcessEnv, cwd?: string }

/** `node --import tsx file args`, by default in the repository's root. */
export function program (file: string, args: readonly string[], { env = {}, cwd = root }: Surroundings = {}) {
  const tsx = fileURLToPath(import.meta.resolve('tsx'))
  const child = spawn('env', unwatched(process.execPath, ['--import', tsx, file, ...args]), { cwd, env: { ...process.env, ...env } })
  const printed = { out: '', err: '' }
  child.stdout.on('data', chunk => { printed.out += chunk })
  child.stderr.on('data', chunk => { printed.err += chunk })
  const ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string)
  return {
    child,
    printed,
    /** Resolves with the exit code. */
    ended,
    /** What it printed. */
    async output () {
      const code = await ended
      if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${printed.out}${printed.err}`)
      return printed.out
    },
    async waitFor (what: RegExp): Promise<string> {
      for (;;) {
        const found = what.exec(printed.out) ?? what.exec(printed.err)
        if (found) return found[1] ?? found[0]
        if ((child.exitCode ?? child.signalCode) !== null) throw new Error(`${args.join(' ')} ended with ${child.exitCode ?? child.signalCode}: ${printed.out}${printed.err}`)
        await Promise.race([once(child.stdout, 'data'), once(child.stderr, 'data'), ended])
      }
    },
    async stop () {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
      return await ended
    }
  }
}
