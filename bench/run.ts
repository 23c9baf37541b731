/** `npm run bench` runs all benchmarks except the long ones, `npm run bench -- token` only one. Competitors are installed in bench/, not in the package. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'

const HERE = fileURLToPath(new URL('.', import.meta.url))
const ALL = ['accounts', 'jssdk', 'startup', 'token', 'v2', 'v3', 'bills', 'hostile', 'notify', 'pool', 'sale']
/** Take minutes: only run by name. */
const LONG = ['notify-soak', 'compare', 'reconcile', 'emulator', 'emulator-many', 'emulator-v3']

if (!existsSync(`${HERE}node_modules`)) run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'])
console.log(`Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model}`)
const asked = process.argv.slice(2)
for (const name of asked.length > 0 ? asked : ALL) {
  if (![...ALL, ...LONG].includes(name)) throw new Error(`unknown benchmark "${name}": ${[...ALL, ...LONG].join(', ')}`)
  console.log(`\n# ${name}`)
  const [file, ...how] = name.split('-')
  run('npx', ['tsx', `${file}.ts`, ...how])
}

function run (command: string, args: string[]): void {
  const { status } = spawnSync(command, args, { cwd: HERE, stdio: 'inherit' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed`)
}
