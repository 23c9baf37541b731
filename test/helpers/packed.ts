/** Builds and packs the package in a separate folder, so that parallel tests do not share `dist`. */
import { execFileSync } from 'node:child_process'
import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { unwatched } from './unwatched.ts'

export const root = fileURLToPath(new URL('../..', import.meta.url))

/** Runs a command as in a user's shell; returns its output. */
export const run = (command: string, args: string[], cwd: string): string =>
  execFileSync('env', unwatched(command, args), { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })

export interface Packed {
  /** The archive. */
  tarball: string
  /** The paths in it. */
  paths: string[]
  manifest: { scripts: Record<string, string>, files: string[], dependencies: Record<string, string>, exports: Record<string, unknown> }
}

export function pack (dir: string): Packed {
  const stage = join(dir, 'stage')
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Packed['manifest']
  for (const name of ['package.json', 'README.md', 'LICENSE', ...manifest.files.filter(name => name !== 'dist')]) cpSync(join(root, name), join(stage, name), { recursive: true })
  run(join(root, 'node_modules/.bin/tsx'), ['build.ts', join(stage, 'dist')], root)
  const [{ filename, files }] = JSON.parse(run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', dir], stage)) as [{ filename: string, files: Array<{ path: string }> }]
  return { tarball: join(dir, filename), paths: files.map(({ path }) => path), manifest }
}
