/** `npm run bench -- startup`: time and memory to import each part of the built package, in addition to fastify. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { median } from './measure.ts'

const root = new URL('../', import.meta.url)
if (!existsSync(new URL('dist/', root))) throw new Error('build the package first: npm run build')
const { exports } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as { exports: Record<string, { default: string } | string> }
const parts = Object.entries(exports).flatMap(([name, target]) => typeof target === 'string' ? [] : [[name.replace(/^\./, 'fastify-wechat-pay'), fileURLToPath(new URL(target.default, root))] as const])

const ROUNDS = 15
const PROGRAM = `
  import 'fastify'
  const [file] = process.argv.slice(1)
  const memory = () => { gc(); return process.memoryUsage().rss }
  const before = memory()
  const started = performance.now()
  if (file) await import(file)
  const time = performance.now() - started
  console.log(JSON.stringify({ time, memory: memory() - before }))`

const seen = new Map(parts.map(([name]) => [name, { time: [] as number[], memory: [] as number[] }]))
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, file] of parts) {
    const { stdout, stderr, status } = spawnSync(process.execPath, ['--expose-gc', '--input-type=module', '-e', PROGRAM, file], { cwd: root, encoding: 'utf8' })
    if (status !== 0) throw new Error(stderr)
    const { time, memory } = JSON.parse(stdout) as { time: number, memory: number }
    seen.get(name)?.time.push(time)
    seen.get(name)?.memory.push(memory)
  }
}
console.log(`Importing, after fastify (medians of ${ROUNDS} fresh processes)`)
for (const [name, { time, memory }] of seen) console.log(`  ${name.padEnd(34)} ${median(time).toFixed(1).padStart(7)} ms ${(median(memory) / 1e6).toFixed(1).padStart(7)} MB`)
