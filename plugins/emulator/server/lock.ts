/** Allows one emulator per `--data` folder: two would overwrite each other's state. A dead process's lock is released. */
import { mkdirSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** The contents of `emulator.lock`. */
export interface Running {
  /** Identifies this run of the emulator; also in `GET /_emulator/health`. */
  id: string
  pid: number
  /** Its origin on this machine; '' while it starts. */
  origin: string
}

export interface Lock {
  /** Writes the emulator's origin into the lock file, for commands that look for it. */
  setOrigin (origin: string): void
  release (): void
}

/** How long a running emulator has to answer, in milliseconds. */
const TIMEOUT = 2000

/** Folders locked by this process. */
const locked = new Set<string>()

const fileIn = (dir: string) => join(dir, 'emulator.lock')

export function readLock (dir: string): Running | undefined {
  try {
    const { id, pid, origin } = JSON.parse(readFileSync(fileIn(dir), 'utf8')) as Record<keyof Running, unknown>
    if (typeof id === 'string' && typeof pid === 'number' && typeof origin === 'string') return { id, pid, origin }
  } catch { /* missing, or left half-written by a crash */ }
}

/** @throws Error with the folder and the origin of the emulator that uses it */
export async function lockData (dir: string, id: string): Promise<Lock> {
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  const place = realpathSync(dir)
  const file = fileIn(place)
  const contents = (origin: string) => JSON.stringify({ id, pid: process.pid, origin } satisfies Running)
  const inUse = (other: Running | undefined) => new Error(`${dir} is in use by another emulator${other?.origin ? `: ${other.origin}` : ''}${other ? ` (process ${other.pid})` : ''}`)
  if (locked.has(place)) throw inUse(readLock(place))

  for (let tries = 0; !create(); tries++) {
    const other = readLock(place)
    if (tries > 2 || (other && await isAlive(other))) throw inUse(other)
    // Of two concurrent processes only one can rename the stale lock. If it was replaced meanwhile, put it back.
    const moved = `${file}.${id}`
    try {
      renameSync(file, moved)
    } catch { continue }
    if (readId(moved) !== other?.id) {
      renameSync(moved, file)
      throw inUse(readLock(place))
    }
    rmSync(moved)
  }
  locked.add(place)

  function create (): boolean {
    try {
      writeFileSync(file, contents(''), { flag: 'wx', mode: 0o600 })
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
      throw error
    }
  }

  return {
    setOrigin: origin => writeFileSync(file, contents(origin), { mode: 0o600 }),
    release () {
      locked.delete(place)
      if (readLock(place)?.id === id) rmSync(file, { force: true })
    }
  }
}

function readId (file: string): string | undefined {
  try {
    return (JSON.parse(readFileSync(file, 'utf8')) as Running).id
  } catch {
    return undefined
  }
}

/** Asks the emulator at its origin, because process ids are reused: in a container the id is always the same. */
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

/** The id of the emulator at `origin`; `silent`: something listens but does not answer; undefined: no emulator. */
export async function askHealth (origin: string): Promise<string | undefined> {
  // Loaded where a lock is found, or a port is taken.
  const { request } = await import('undici')
  try {
    const { body } = await request(`${origin}/_emulator/health`, { signal: AbortSignal.timeout(TIMEOUT) })
    const health = await body.json() as { id?: unknown }
    return typeof health.id === 'string' ? health.id : undefined
  } catch (error) {
    return (error as Error).name === 'TimeoutError' ? 'silent' : undefined
  }
}
