/** Allows one emulator per `--data` folder: two would overwrite each other's state. A dead process's lock is released. */
import { mkdirSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** The contents of `emulator.lock`. */
export interface Running {
  /** Of this start of the emulator; `GET /_emulator/health` says it, too. */
  id: string
  pid: number
  /** Where it is reached on this machine; '' while it starts. */
  origin: string
}

export interface Lock {
  /** Writes down where the emulator is reached, for commands that look for it. */
  tell (origin: string): void
  release (): void
}

/** Milliseconds that a running emulator has to answer. */
const PATIENCE = 2000

/** Folders that emulators of this process hold. */
const held = new Set<string>()

const fileIn = (dir: string) => join(dir, 'emulator.lock')

export function readLock (dir: string): Running | undefined {
  try {
    const { id, pid, origin } = JSON.parse(readFileSync(fileIn(dir), 'utf8')) as Record<keyof Running, unknown>
    if (typeof id === 'string' && typeof pid === 'number' && typeof origin === 'string') return { id, pid, origin }
  } catch { /* none, or only half written by a process that died */ }
}

/** @throws Error that names the folder, and where the emulator is that holds it */
export async function lockData (dir: string, id: string): Promise<Lock> {
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const place = realpathSync(dir)
  const file = fileIn(place)
  const own = (origin: string) => JSON.stringify({ id, pid: process.pid, origin } satisfies Running)
  const refusal = (other: Running | undefined) => new Error(`${dir} is in use by another emulator${other?.origin ? `: ${other.origin}` : ''}${other ? ` (process ${other.pid})` : ''}`)
  if (held.has(place)) throw refusal(readLock(place))

  for (let tries = 0; !create(); tries++) {
    const other = readLock(place)
    if (tries > 2 || (other && await isAlive(other))) throw refusal(other)
    // Set aside by a rename, which only one of two that come at once can do; the one that came too late puts it back.
    const aside = `${file}.${id}`
    try {
      renameSync(file, aside)
    } catch { continue }
    if (readAside(aside) !== other?.id) {
      renameSync(aside, file)
      throw refusal(readLock(place))
    }
    rmSync(aside)
  }
  held.add(place)

  function create (): boolean {
    try {
      writeFileSync(file, own(''), { flag: 'wx', mode: 0o600 })
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
      throw error
    }
  }

  return {
    tell: origin => writeFileSync(file, own(origin), { mode: 0o600 }),
    release () {
      held.delete(place)
      if (readLock(place)?.id === id) rmSync(file, { force: true })
    }
  }
}

function readAside (file: string): string | undefined {
  try {
    return (JSON.parse(readFileSync(file, 'utf8')) as Running).id
  } catch {
    return undefined
  }
}

/** Asked where it says it is, since a number of a process comes again: in a container it is always the same. */
async function isAlive ({ id, pid, origin }: Running): Promise<boolean> {
  if (origin === '') return pid !== process.pid && exists(pid)
  const answer = await askHealth(origin)
  return answer === 'silent' ? exists(pid) : answer === id
}

function exists (pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** The id of the emulator there; `silent`: something is there but does not answer; undefined: no emulator. */
export async function askHealth (origin: string): Promise<string | undefined> {
  // Loaded where a lock is found, or a port is taken.
  const { request } = await import('undici')
  try {
    const { body } = await request(`${origin}/_emulator/health`, { signal: AbortSignal.timeout(PATIENCE) })
    const said = await body.json() as { id?: unknown }
    return typeof said.id === 'string' ? said.id : undefined
  } catch (error) {
    return (error as Error).name === 'TimeoutError' ? 'silent' : undefined
  }
}
