/** `npm test`: tap, with its full coverage demanded wherever everything that the tests need is installed. */
import { spawnSync } from 'node:child_process'
import { need } from './helpers/needs.ts'

const missing = ['redis-server', 'chromium', 'openssl'].map(program => need(program).skip).filter(Boolean)
for (const line of missing) console.log(`${line}: its tests are skipped`)
// What the skipped tests cover cannot be covered here; CI has it all, and lets nothing pass uncovered.
const args = missing.length > 0 ? ['--allow-incomplete-coverage'] : []
const { status } = spawnSync('tap', [...args, ...process.argv.slice(2)], { stdio: 'inherit' })
process.exitCode = status ?? 1
