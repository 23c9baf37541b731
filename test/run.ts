/** `npm test`: tap, and then a look at the coverage wherever everything that the tests need is installed. */
import { spawnSync } from 'node:child_process'
import { need } from './helpers/needs.ts'

/**
 * Percent. Not a hundred: a few branches (a store that fails between two steps, a socket that dies in mid-reply) are
 * reached by the clock's grace, and a run that was a little slower must not fail for it.
 */
const COVERAGE = { lines: 99, statements: 99, functions: 99, branches: 96 }
/** The command line runs as users run it, in processes of its own, which nobody watches; tests are not what is covered. */
const UNCOUNTED = ['plugins/emulator/cli/**', 'test/**', 'bench/**', 'node_modules/**']

const missing = ['redis-server', 'chromium', 'openssl'].map(program => need(program).skip).filter(Boolean)
for (const line of missing) console.log(`${line}: its tests are skipped`)

const args = process.argv.slice(2)
const { status } = spawnSync('tap', ['--allow-incomplete-coverage', ...args], { stdio: 'inherit' })
process.exitCode = status ?? 1

// What skipped tests, or those that were not asked for, would cover cannot be covered.
const whole = missing.length === 0 && args.every(arg => arg.startsWith('--reporter'))
if (process.exitCode === 0 && whole) {
  const floors = Object.entries(COVERAGE).flatMap(([what, percent]) => [`--${what}`, String(percent)])
  const uncounted = UNCOUNTED.flatMap(files => ['--exclude', files])
  process.exitCode = spawnSync('c8', ['check-coverage', '--temp-directory', '.tap/coverage', ...uncounted, ...floors], { stdio: 'inherit' }).status ?? 1
}
