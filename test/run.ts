/**
 * `npm test`, `npm run test:soak`: runs the test files in a few processes at a time, the longest first. Files that start
 * processes or browsers get a process each; the others share processes.
 * `npm test test/src test/plugins/notify.test.ts`: only these. `--jobs 4`: number of concurrent processes. `--import file`:
 * loaded by each process before its tests. `--coverage`: collects coverage for `npm run coverage`.
 */
import { spawn } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { need } from './helpers/needs.ts'
import { FILE, readReports } from './helpers/tap-report.ts'
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

/** Seconds. Only for tests that hang: a busy machine may be many times slower than a quiet one. */
const TIMEOUT = { test: 600, process: 1200 }
/** Seconds between two progress lines. */
const PROGRESS = 10
const DURATIONS = '.tap/durations.json'
/** Files that share processes. connections.test.ts looks at all connections of its process. */
const SHARED = /^test\/(?:src|plugins)\/(?!.*connections)/

type Outcome = Report & { seconds: number }

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
mkdirSync('.tap', { recursive: true })
for (const { skip } of ['redis-server', 'chromium', 'openssl'].map(need)) if (skip) console.log(`${skip}: its tests are skipped`)

const durations = readDurations()
const files = positionals.length > 0 ? positionals.flatMap(testsIn) : testsIn('test').filter(file => file.startsWith('test/soak/') === options.soak)
if (files.length === 0) throw new Error(`no tests in ${positionals.join(' ')}`)
const jobs = Math.max(1, Number(options.jobs))
const waiting = batches()

const start = performance.now()
/** The current file of each process, and its start. */
const running = new Map<number, { file: string, since: number }>()
const outcomes: Outcome[] = []
const timer = setInterval(showProgress, process.stdout.isTTY ? 1000 : PROGRESS * 1000)
await Promise.all(Array.from({ length: jobs }, async (_, job) => {
  for (let batch = waiting.shift(); batch !== undefined; batch = waiting.shift()) await run(batch, job)
}))
clearInterval(timer)

writeFileSync(DURATIONS, JSON.stringify({ ...durations, ...Object.fromEntries(outcomes.map(({ file, seconds }) => [file, seconds])) }, null, 1))
const bad = outcomes.filter(({ failed }) => failed > 0)
for (const { file, failures } of bad) for (const failure of failures) print(`FAILED ${file} > ${failure.split('\n')[0]}`)
const sum = (what: 'passed' | 'failed' | 'skipped') => outcomes.reduce((all, outcome) => all + outcome[what], 0)
print(`${sum('passed')} passed, ${sum('failed')} failed${sum('skipped') > 0 ? `, ${sum('skipped')} skipped` : ''} (${files.length} files, ${seconds(start)} s)`)
process.exitCode = bad.length > 0 ? 1 : 0

/**
 * The longest first. Two batches of shared processes per concurrent process, of about the same length. The longest files
 * mostly wait, so every second batch has them at its end: otherwise all batches would wait at the same time.
 */
function batches (): string[][] {
  const longFirst = files.toSorted((one, other) => expected(other) - expected(one))
  const alone = longFirst.filter(file => !SHARED.test(file)).map(file => [file])
  const shared = Array.from({ length: 2 * jobs }, () => [] as string[])
  for (const file of longFirst.filter(file => SHARED.test(file))) shared.toSorted((one, other) => total(one) - total(other))[0]?.push(file)
  return [...alone, ...shared.filter(batch => batch.length > 0).map((batch, at) => at % 2 ? batch.reverse() : batch)]
    .sort((one, other) => total(other) - total(one))
}

async function run (batch: string[], job: number): Promise<void> {
  running.set(job, { file: batch[0] as string, since: performance.now() })
  const took: Record<string, number> = {}
  // Node.js 20 has no compile cache; on newer versions it makes coverage inexact.
  const child = spawn(process.execPath, ['--import', 'tsx', ...options.import.flatMap(module => ['--import', module]), 'test/helpers/batch.ts'], {
    env: { ...process.env, TEST_FILES: batch.join('\n'), TAP_TIMEOUT: String(TIMEOUT.test * batch.length), ...(options.coverage ? { NODE_V8_COVERAGE: resolve('.tap/coverage') } : { NODE_COMPILE_CACHE: resolve('.tap/compiled') }) },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: TIMEOUT.process * 1000
  })
  const close = () => {
    const last = running.get(job)
    if (last) took[last.file] = Number(seconds(last.since))
  }
  createInterface({ input: child.stdout }).on('line', line => {
    const file = FILE.exec(line)?.[1]
    if (file === undefined || file === running.get(job)?.file) return
    close()
    running.set(job, { file, since: performance.now() })
  })
  const [output, errors, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | string>(resolve => { child.once('exit', (code, signal) => resolve(code ?? String(signal))) })
  ])
  close()
  const reports = readReports(output, batch)
  const isBad = reports.some(({ failed }) => failed > 0)
  if (code !== 0 && !isBad) {
    const report = reports.find(({ file }) => file === running.get(job)?.file) as Report
    report.failed++
    report.failures.push(`its process ended with ${code}`)
  }
  running.delete(job)
  const failed = reports.filter(({ failed }) => failed > 0)
  if (errors !== '') failed.at(-1)?.failures.push(`its process's stderr\n${errors}`)
  for (const report of reports) {
    const outcome = { ...report, seconds: took[report.file] ?? 0 }
    outcomes.push(outcome)
    show(outcome)
  }
}

function show ({ file, passed, failed, skipped, failures, seconds }: Outcome): void {
  const counts = `${passed} passed${failed > 0 ? `, ${failed} failed` : ''}${skipped > 0 ? `, ${skipped} skipped` : ''}`
  print(`${failed > 0 ? 'not ok' : 'ok'} ${String(outcomes.length).padStart(3)}/${files.length} ${file}: ${counts} (${seconds} s)`)
  for (const failure of failures) print(failure.replace(/^/gm, '    '))
}

function showProgress (): void {
  const line = `${outcomes.length}/${files.length}, running for ${seconds(start)} s: ${[...running.values()].map(({ file, since }) => `${file.slice('test/'.length)} ${seconds(since)} s`).join(', ')}`
  if (process.stdout.isTTY) process.stdout.write(`\r\x1b[K${line.slice(0, process.stdout.columns - 1)}`)
  else console.log(`# ${line}`)
}

function print (line: string): void {
  console.log(process.stdout.isTTY ? `\r\x1b[K${line}` : line)
}

function seconds (since: number): string {
  return ((performance.now() - since) / 1000).toFixed(1)
}

function testsIn (path: string): string[] {
  if (statSync(path).isFile()) return [path]
  return readdirSync(path, { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.test.ts')).map(name => `${path.replace(/\/$/, '')}/${name}`)
}

function readDurations (): Record<string, number> {
  try {
    return JSON.parse(readFileSync(DURATIONS, 'utf8'))
  } catch {
    return {}
  }
}

/** Seconds, as in the last run. Before the first run, files with processes or browsers count as long. */
function expected (file: string): number {
  return durations[file] ?? (SHARED.test(file) ? statSync(file).size / 10_000 : file.startsWith('test/src/') ? 15 : 60)
}

function total (batch: string[]): number {
  return batch.reduce((sum, file) => sum + expected(file), 0)
}
