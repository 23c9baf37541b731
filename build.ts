/**
 * `npm run build`: bundles the package into about fifty files instead of three hundred, because most of an import's time was
 * opening files. `tsx build.ts DIR` builds into another folder. A file is named for the topmost of its modules, entry points
 * share common files, lazy imports stay lazy, and nothing is minified. Built with Rollup because it keeps code and comments;
 * esbuild and Rolldown drop most comments.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rollup } from 'rollup'

const root = fileURLToPath(new URL('.', import.meta.url))
const target = resolve(process.argv[2] ?? join(root, 'dist'))

const { exports, bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { exports: Record<string, { default: string } | string>, bin: Record<string, string> }
/** `plugins/wechat-pay` and so on. */
const entries = [...Object.values(exports).flatMap(entry => typeof entry === 'string' ? [] : [entry.default]), ...Object.values(bin)].map(file => file.replace(/^(?:\.\/)?dist\/(.*)\.js$/, '$1'))

rmSync(target, { recursive: true, force: true })
const compiled = mkdtempSync(join(tmpdir(), 'fastify-wechat-pay-'))
try {
  execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', join(root, 'tsconfig.build.json'), '--outDir', compiled, '--declarationDir', join(target, 'types')], { stdio: 'inherit' })
  await bundle(compiled)
} finally {
  rmSync(compiled, { recursive: true })
}
for (const area of ['cli', 'control']) cpSync(join(root, `plugins/emulator/${area}/static`), join(target, `plugins/emulator/${area}/static`), { recursive: true })

async function bundle (from: string): Promise<void> {
  const nameOf = (file: string) => relative(from, file).replaceAll(sep, '/').replace(/\.js$/, '')
  const bundle = await rollup({
    input: Object.fromEntries(entries.map(entry => [entry, join(from, `${entry}.js`)])),
    external: id => !/^[./]/.test(id) && !id.startsWith(from),
    // All code is used, and readers should find all of it.
    treeshake: false,
    plugins: [{ name: 'headings', transform: (code, id) => ({ code: withHeading(code, nameOf(id)), map: null }) }],
    onwarn ({ code, message }) {
      // TypeScript's helper for `import(name)` begins with `this &&`; plugins/accounts.ts and plugins/common.ts import each other.
      if (code !== 'THIS_IS_UNDEFINED' && code !== 'CIRCULAR_DEPENDENCY') throw new Error(message)
    }
  })
  await bundle.write({
    dir: target,
    format: 'es',
    entryFileNames: '[name].js',
    chunkFileNames: ({ moduleIds }) => `${nameOf(moduleIds.at(-1) as string)}.js`,
    hoistTransitiveImports: false,
    minifyInternalExports: false
  })
  await bundle.close()
}

/** Marks where a module begins. */
function withHeading (code: string, name: string): string {
  const start = /^(?:#!.*\n)?/.exec(code)?.[0] ?? ''
  return `${start}// ─── ${name}.ts ───\n${code.slice(start.length)}`
}
