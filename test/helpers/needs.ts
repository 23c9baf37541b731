/** Programs that tests need: without one, its tests are skipped with a message; with CI=true, that is an error. */
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

function find (program: string): string | undefined {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, program)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch { /* try the next one */ }
  }
}

export function need (program: string): { path: string, skip: false | string } {
  const path = find(program)
  if (path === undefined && process.env.CI === 'true') throw new Error(`${program} is missing, and with CI=true it must be there`)
  return { path: path ?? program, skip: path === undefined && `${program} is not installed on this machine` }
}
