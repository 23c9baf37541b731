/** Stores the emulator's state and keys for `--data DIR`, so that they survive a restart. */
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Tenant } from './accounts.ts'
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
/** Each write saves the whole state, so writing may take at most this share of the time, however large the state is … */
const SHARE = 1 / 20
/** … but a change is written after this many milliseconds at the latest. */
const LONGEST = 30_000
/** Characters per write: the whole state may exceed the maximum length of a string. */
const CHUNK = 1 << 20

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
  } catch { /* reported below */ }
  throw new Error(`${join(dir, 'state.json')} does not contain an emulator's state: move it away to start with a new one`)
}

export interface Kept { authority: Authority, tenants: ReadonlyArray<Tenant & { pki: Pki }> }

/** Saves the state after changes, and on close. */
export function keepState (dir: string, { authority, tenants }: Kept): { close (): void } {
  const file = join(dir, 'state.json')
  let timer: NodeJS.Timeout | undefined
  let notBefore = 0

  function write (): void {
    clearTimeout(timer)
    timer = undefined
    const started = performance.now()
    // Write and rename, so that a crash never leaves half a file.
    writeChunks(`${file}.new`, textOf({ authority, tenants }))
    renameSync(`${file}.new`, file)
    const ended = performance.now()
    notBefore = ended + Math.min(LONGEST, (ended - started) / SHARE)
  }

  const soon = () => { timer ??= setTimeout(write, Math.max(GATHERED, notBefore - performance.now())) }
  for (const { state } of tenants) state.events.on('change', soon)
  write()
  return {
    close () {
      for (const { state } of tenants) state.events.off('change', soon)
      write()
    }
  }
}

/** `Saved` as JSON, row by row. */
function * textOf ({ authority, tenants }: Kept): Generator<string> {
  yield `{"version":1,"authority":${JSON.stringify(authority.saved)},"accounts":`
  yield * objectOf(tenants.map(({ name, state, pki }) => [name, memberOf(state.memory.snapshot(), pki.v3.saved())]))
  yield '}\n'
}

function * memberOf ({ tables, lists }: MemorySnapshot, keys: SavedV3Keys): Generator<string> {
  yield `{"keys":${JSON.stringify(keys)},"memory":{"tables":`
  yield * objectOf(Object.entries(tables).map(([name, rows]) => [name, arrayOf(rows)]))
  yield ',"lists":'
  yield * objectOf(Object.entries(lists).map(([name, items]) => [name, arrayOf(items)]))
  yield '}}'
}

function * objectOf (members: Array<[name: string, value: Iterable<string>]>): Generator<string> {
  let before = '{'
  for (const [name, value] of members) {
    yield `${before}${JSON.stringify(name)}:`
    yield * value
    before = ','
  }
  yield members.length === 0 ? '{}' : '}'
}

function * arrayOf (items: Iterable<unknown>): Generator<string> {
  let before = '['
  for (const item of items) {
    yield `${before}${JSON.stringify(item)}`
    before = ',\n'
  }
  yield before === '[' ? '[]' : ']'
}

function writeChunks (file: string, texts: Iterable<string>): void {
  const descriptor = openSync(file, 'w', 0o600)
  try {
    let chunk = ''
    for (const text of texts) {
      chunk += text
      if (chunk.length < CHUNK) continue
      writeSync(descriptor, chunk)
      chunk = ''
    }
    writeSync(descriptor, chunk)
  } finally {
    closeSync(descriptor)
  }
}

/** Writes each account's key files: the first account's into `dir`, the others' into subfolders. */
export function writeKeyFiles (dir: string, { tenants }: Kept): void {
  for (const { name, state, pki } of tenants) {
    const folder = join(dir, name)
    writeFiles(folder, keyFiles(pki, state.account.mchId, state.keyMode !== 'public-key'))
    writeFiles(folder, trustFiles(pki.ca))
  }
}

/** Readable by this user only, because some are private keys. */
export function writeFiles (folder: string, files: Record<string, string | Buffer>): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content, { mode: 0o600 })
}
