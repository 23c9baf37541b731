/**
 * `npm test`, `npm run test:soak`: each file of tests in a process of its own, a few at a time, the long ones first.
 * `npm test test/src test/plugins/notify.test.ts`: only those. `--jobs 4`: so many at a time. `--import file`: loaded by
 * each process before its tests. `--coverage`: adds to what `npm run coverage` reports.
 */
import { spawn } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { need } from './helpers/needs.ts'
import { readReport } from './helpers/tap-report.ts'
import type { Report } from './helpers/tap-report.ts'

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    soak: { type: 'boolean', default: false },
    jobs: { type: 'string', default: String(availableParallelism() + 1) },
    import: { type: 'string', multiple: true, default: [] },
    coverage: { type: 'boolean', default: false }
  }
})

/** Seconds. They end only what hangs for ever: a busy machine may take many times what a quiet one does. */
const PATIENCE = { test: 600, file: 900 }
/** Seconds between two lines that say what still runs. */
const SILENCE = 10
const DURATIONS = '.tap/durations.json'

type Outcome = Report & { file: string, seconds: number }

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
mkdirSync('.tap', { recursive: true })
for (const { skip } of ['redis-server', 'chromium', 'openssl'].map(need)) if (skip) console.log(`${skip}: its tests are skipped`)

const before = durations()
const files = (positionals.length > 0 ? positionals.flatMap(testsIn) : testsIn('test').filter(file => file.startsWith('test/soak/') === options.soak))
  .sort((one, other) => expected(other) - expected(one))
if (files.length === 0) throw new Error(`no tests in ${positionals.join(' ')}`)

const begun = performance.now()
const waiting = [...files]
const running = new Map<string, number>()
const outcomes: Outcome[] = []
const timer = setInterval(tellRunning, process.stdout.isTTY ? 1000 : SILENCE * 1000)
await Promise.all(Array.from({ length: Math.max(1, Number(options.jobs)) }, work))
clearInterval(timer)

writeFileSync(DURATIONS, JSON.stringify({ ...before, ...Object.fromEntries(outcomes.map(({ file, seconds }) => [file, seconds])) }, null, 1))
const bad = outcomes.filter(({ failed }) => failed > 0)
for (const { file, failures } of bad) for (const failure of failures) say(`FAILED ${file} > ${failure.split('\n')[0]}`)
const sum = (what: 'passed' | 'failed' | 'skipped') => outcomes.reduce((all, outcome) => all + outcome[what], 0)
say(`${sum('passed')} passed, ${sum('failed')} failed${sum('skipped') > 0 ? `, ${sum('skipped')} skipped` : ''} (${files.length} files, ${seconds(begun)} s)`)
process.exitCode = bad.length > 0 ? 1 : 0

async function work (): Promise<void> {
  for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
    running.set(file, performance.now())
    const outcome = await run(file)
    running.delete(file)
    outcomes.push(outcome)
    tell(outcome)
  }
}

async function run (file: string): Promise<Outcome> {
  const start = performance.now()
  // Node 20 knows no cache for what it has compiled; where it is used, coverage is not exact.
  const child = spawn(process.execPath, ['--import', 'tsx', ...options.import.flatMap(module => ['--import', module]), file], {
    env: { ...process.env, TAP_TIMEOUT: String(PATIENCE.test), ...(options.coverage ? { NODE_V8_COVERAGE: resolve('.tap/coverage') } : { NODE_COMPILE_CACHE: resolve('.tap/compiled') }) },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: PATIENCE.file * 1000
  })
  const [output, errors, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | string>(resolve => { child.once('exit', (code, signal) => resolve(code ?? String(signal))) })
  ])
  const report = readReport(output)
  if (code !== 0 && report.failed === 0) {
    report.failed++
    report.failures.push(`its process ended with ${code}`)
  }
  if (report.failed > 0 && errors !== '') report.failures.push(`its stderr\n${errors}`)
  return { ...report, file, seconds: Number(seconds(start)) }
}

function tell ({ file, passed, failed, skipped, failures, seconds }: Outcome): void {
  const counts = `${passed} passed${failed > 0 ? `, ${failed} failed` : ''}${skipped > 0 ? `, ${skipped} skipped` : ''}`
  say(`${failed > 0 ? 'not ok' : 'ok'} ${String(outcomes.length).padStart(3)}/${files.length} ${file}: ${counts} (${seconds} s)`)
  for (const failure of failures) say(failure.replace(/^/gm, '    '))
}

function tellRunning (): void {
  const line = `${outcomes.length}/${files.length}, running for ${seconds(begun)} s: ${[...running].map(([file, start]) => `${file.slice('test/'.length)} ${seconds(start)} s`).join(', ')}`
  if (process.stdout.isTTY) process.stdout.write(`\r\x1b[K${line.slice(0, process.stdout.columns - 1)}`)
  else console.log(`# ${line}`)
}

function say (line: string): void {
  console.log(process.stdout.isTTY ? `\r\x1b[K${line}` : line)
}

function seconds (since: number): string {
  return ((performance.now() - since) / 1000).toFixed(1)
}

function testsIn (path: string): string[] {
  if (statSync(path).isFile()) return [path]
  return readdirSync(path, { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.test.ts')).map(name => `${path.replace(/\/$/, '')}/${name}`)
}

function durations (): Record<string, number> {
  try {
    return JSON.parse(readFileSync(DURATIONS, 'utf8'))
  } catch {
    return {}
  }
}

/** Seconds, as the last run was; at first the files with processes or browsers of their own count as long. */
function expected (file: string): number {
  return before[file] ?? (/^test\/(?:e2e|fleet|soak|docs)/.test(file) ? 20 : statSync(file).size / 10_000)
}
