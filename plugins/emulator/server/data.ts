/** Stores the emulator's state and keys for `--data DIR`, so that they survive a restart. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Side } from './accounts.ts'
import type { MemorySnapshot } from '../state/memory.ts'
import type { Authority, Pki, SavedAuthority } from '../keys/pki.ts'
import { keyFiles } from '../keys/key-files.ts'
import { trustFiles } from '../keys/trust-files.ts'
import type { SavedV3Keys } from '../keys/v3-keys.ts'

interface Saved {
  version: 1
  authority: SavedAuthority
  accounts: Record<string, { memory: MemorySnapshot, keys: SavedV3Keys }>
}

/** Milliseconds to collect changes before they are written. */
const GATHERED = 50

/** @throws Error if the file exists but cannot be read */
export function readState (dir: string): Saved | undefined {
  let text: string
  try {
    text = readFileSync(join(dir, 'state.json'), 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  try {
    const saved = JSON.parse(text) as Saved
    if (saved.version === 1) return saved
  } catch { /* said below */ }
  throw new Error(`${join(dir, 'state.json')} is not an emulator's state: move it away to start with a new one`)
}

export interface Kept { authority: Authority, sides: ReadonlyArray<Side & { pki: Pki }> }

/** Writes what changes, and at the end once more. */
export function keepState (dir: string, { authority, sides }: Kept): { close (): void } {
  let timer: NodeJS.Timeout | undefined

  function write (): void {
    clearTimeout(timer)
    timer = undefined
    const accounts = Object.fromEntries(sides.map(({ name, state, pki }) => [name, { memory: state.memory.snapshot(), keys: pki.v3.saved() }]))
    const saved: Saved = { version: 1, authority: authority.saved, accounts }
    // Never half a file, whenever the power goes.
    const file = join(dir, 'state.json')
    writeFileSync(`${file}.new`, JSON.stringify(saved), { mode: 0o600 })
    renameSync(`${file}.new`, file)
  }

  const soon = () => { timer ??= setTimeout(write, GATHERED) }
  for (const { state } of sides) state.events.on('change', soon)
  write()
  return {
    close () {
      for (const { state } of sides) state.events.off('change', soon)
      write()
    }
  }
}

/** For each account, in a folder of its own but the first's. */
export function writeKeyFiles (dir: string, { sides }: Kept): void {
  for (const { name, state, pki } of sides) {
    const folder = join(dir, name)
    writeFiles(folder, keyFiles(pki, state.account.mchId, state.keyMode !== 'public-key'))
    writeFiles(folder, trustFiles(pki.ca))
  }
}

/** Private keys are among them: for this user only. */
export function writeFiles (folder: string, files: Record<string, string | Buffer>): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content, { mode: 0o600 })
}
