/** `npm run coverage`: what the runs with `--coverage` since the last call of this reached, and whether it is enough. */
import { spawnSync } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Percent. Not a hundred: a few branches (a socket that dies in mid-reply) are reached by the clock's grace, and a slower run must not fail for it. */
const FLOORS = { lines: 99, statements: 99, functions: 99, branches: 95 }
/** The command line runs as users run it, in processes of its own, which nobody watches. */
const UNCOUNTED = ['plugins/emulator/cli/**']

const directory = '.tap/coverage'
process.chdir(fileURLToPath(new URL('..', import.meta.url)))
if (!existsSync(directory)) throw new Error('nothing was measured: npm test -- --coverage, then npm run test:soak -- --coverage')
const { status } = spawnSync('c8', [
  'report', '--check-coverage', '--temp-directory', directory, '--reporter', 'text',
  ...['src/**/*.ts', 'plugins/**/*.ts'].flatMap(files => ['--include', files]),
  ...UNCOUNTED.flatMap(files => ['--exclude', files]),
  ...Object.entries(FLOORS).flatMap(([what, percent]) => [`--${what}`, String(percent)])
], { stdio: 'inherit' })
rmSync(directory, { recursive: true })
process.exitCode = status ?? 1
