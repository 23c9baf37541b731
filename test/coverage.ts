/** `npm run coverage`: merges the coverage of the test runs since the last call, and checks the floors. */
import { spawnSync } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Percent. Below 100, because some branches (a socket closed during a reply) depend on timing. */
const FLOORS = { lines: 99, statements: 99, functions: 99, branches: 95 }
/** Not covered: the command line runs in separate processes, as users run it. */
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
