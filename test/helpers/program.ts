/** Runs a program of this repository from source, as in a user's shell. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { unwatched } from './unwatched.ts'

const root = new URL('../../', import.meta.url)

/** `node --import tsx file args` in the repository's root. */
export function program (file: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const child = spawn('env', unwatched(process.execPath, ['--import', 'tsx', file, ...args]), { cwd: root, env: { ...process.env, ...env } })
  const said = { out: '', err: '' }
  child.stdout.on('data', chunk => { said.out += chunk })
  child.stderr.on('data', chunk => { said.err += chunk })
  return {
    child,
    said,
    ended: once(child, 'close').then(([code]) => code as number),
    async says (what: RegExp) {
      while (!what.test(said.out)) await once(child.stdout, 'data')
    }
  }
}
