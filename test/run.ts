/**
 * `npm test`, `npm run test:soak`: runs the test files in a few processes at a time, the longest first. A process that has
 * finished a file gets the next one.
 * `npm test test/src test/plugins/notify.test.ts`: only these. `--jobs 4`: number of concurrent processes. `--import file`:
 * loaded by each process before its tests. `--coverage`: collects coverage for `npm run coverage`.
 */
import { spawn } from 'node:child_process'
import type { ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { need } from './helpers/needs.ts'
import { FILE, problemsAtEnd, readReport } from './helpers/tap-report.ts'
import type { Report } from './helpers/tap-report.ts'

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    soak: { type: 'boolean', default: false },
    jobs: { type: 'string', default: String(availableParallelism() + 2) },
    import: { type: 'string', multiple: true, default: [] },
    coverage: { type: 'boolean', default: false }
  }
})

/** Seconds that a file may take. Only for tests that hang: a busy machine may be many times slower than a quiet one. */
const TIMEOUT = 600
/** Seconds between two progress lines. */
const PROGRESS = 10
const DURATIONS = '.tap/durations.json'
/** Files that get a process each: long ones, and connections.test.ts, which looks at all connections of its process. */
const ALONE = /^test\/soak\/|\/connections\.test\.ts$/

type Outcome = Report & { seconds: number, stderr: string }

process.chdir(fileURLToPath(new URL('..', import.meta.url)))
mkdirSync('.tap', { recursive: true })
for (const { skip } of ['redis-server', 'chromium', 'openssl'].map(need)) if (skip) console.log(`${skip}: its tests are skipped`)

const durations = readDurations()
const files = positionals.length > 0 ? positionals.flatMap(testsIn) : testsIn('test').filter(file => file.startsWith('test/soak/') === options.soak)
const jobs = Number(options.jobs)
if (!(jobs >= 1)) throw new Error('--jobs must be a positive number')
if (files.length === 0) throw new Error(`no tests in ${positionals.join(' ')}`)
const waiting = files.toSorted((one, other) => expected(other) - expected(one))

const start = performance.now()
/** The current file of each process, and its start. */
const running = new Map<number, { file: string, since: number }>()
const outcomes: Outcome[] = []
const timer = setInterval(showProgress, process.stdout.isTTY ? 1000 : PROGRESS * 1000)
await Promise.all(Array.from({ length: jobs }, async (_, job) => {
  while (waiting.length > 0) await runFiles(job)
}))
clearInterval(timer)

writeFileSync(DURATIONS, JSON.stringify({ ...durations, ...Object.fromEntries(outcomes.map(({ file, seconds }) => [file, seconds])) }, null, 1))
const bad = outcomes.filter(({ failed }) => failed > 0)
const lost = files.filter(file => outcomes.every(outcome => outcome.file !== file))
for (const file of lost) print(`FAILED ${file} > it was not run`)
for (const { file, failures } of bad) for (const failure of failures) print(`FAILED ${file} > ${failure.split('\n')[0]}`)
const sum = (what: 'passed' | 'failed' | 'skipped') => outcomes.reduce((all, outcome) => all + outcome[what], 0)
print(`${sum('passed')} passed, ${sum('failed') + lost.length} failed${sum('skipped') > 0 ? `, ${sum('skipped')} skipped` : ''} (${files.length} files, ${seconds(start)} s)`)
process.exitCode = bad.length + lost.length > 0 ? 1 : 0

/** Runs files in one process until none is waiting, or the next one needs a process of its own. */
async function runFiles (job: number): Promise<void> {
  // Node.js 20 has no compile cache; on newer versions it makes coverage inexact.
  const child = spawn(process.execPath, ['--import', 'tsx', ...options.import.flatMap(module => ['--import', module]), 'test/helpers/run-files.ts'], {
    env: { ...process.env, TAP_TIMEOUT: String(TIMEOUT * files.length), ...(options.coverage ? { NODE_V8_COVERAGE: resolve('.tap/coverage') } : { NODE_COMPILE_CACHE: resolve('.tap/compiled') }) },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc']
  }) as ChildProcessByStdio<null, Readable, Readable>
  const exit = once(child, 'exit')
  let last: string | undefined
  child.on('message', message => {
    // tap sends messages of its own.
    if (message !== 'next') return
    const isOver = waiting.length === 0 || (last !== undefined && [last, waiting[0] as string].some(file => ALONE.test(file)))
    if (!isOver) last = waiting.shift()
    child.send({ file: isOver ? null : last })
  })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => { stderr += text })
  let lines: string[] = []
  let hasFailed = false
  let deadline: NodeJS.Timeout | undefined
  /** `end`: exit code or signal of the process, if it has ended. */
  const finish = (file: string, end?: number | string) => {
    clearTimeout(deadline)
    const report = readReport(file, lines)
    if (end !== undefined) report.failures.push(...problemsAtEnd(lines, end, hasFailed || report.failed > 0))
    if (report.passed + report.failed + report.skipped + report.failures.length === 0) report.failures.push('it has no tests')
    report.failed = Math.max(report.failed, report.failures.length > 0 ? 1 : 0)
    hasFailed ||= report.failed > 0
    const outcome = { ...report, stderr, seconds: Number(seconds(running.get(job)?.since ?? performance.now())) }
    outcomes.push(outcome)
    show(outcome)
    running.delete(job)
  }
  for await (const line of createInterface({ input: child.stdout })) {
    const file = FILE.exec(line)?.[1]
    if (file !== undefined) {
      const before = running.get(job)?.file
      if (before !== undefined) finish(before)
      lines = []
      stderr = ''
      running.set(job, { file, since: performance.now() })
      deadline = setTimeout(() => child.kill(), TIMEOUT * 1000)
    }
    lines.push(line)
  }
  const [code, signal] = await exit
  // A process that cannot start has no file yet.
  const current = running.get(job)?.file ?? waiting.shift()
  if (current !== undefined) finish(current, code ?? String(signal))
}

function show ({ file, passed, failed, skipped, failures, seconds, stderr }: Outcome): void {
  const counts = `${passed} passed${failed > 0 ? `, ${failed} failed` : ''}${skipped > 0 ? `, ${skipped} skipped` : ''}`
  print(`${failed > 0 ? 'not ok' : 'ok'} ${String(outcomes.length).padStart(3)}/${files.length} ${file}: ${counts} (${seconds} s)`)
  if (failed === 0) return
  for (const failure of failures) print(failure.replace(/^/gm, '    '))
  if (stderr !== '') print(`    its process's stderr\n${stderr.replace(/^/gm, '    ')}`)
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

/** Seconds, as in the last run. Before the first run, browsers and large files count as slow. */
function expected (file: string): number {
  return durations[file] ?? statSync(file).size / 1000 + (/\/e2e\/|\/look-/.test(file) ? 60 : 0)
}
