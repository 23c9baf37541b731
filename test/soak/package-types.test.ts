/** The packed package's types compile with skipLibCheck: false and the declarations of each supported Node.js. */
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { pack, root, run } from '../helpers/packed.ts'

t.test('@types/node 22, 24 and 26', async t => {
  const dir = t.testdir()
  const { tarball, manifest } = pack(dir)
  writeFileSync(join(dir, 'package.json'), '{ "private": true }')
  const modules = join(dir, 'node_modules')
  for (const name of ['fastify-wechat-pay', '@fastify', '@types']) mkdirSync(join(modules, name), { recursive: true })
  run('tar', ['-xzf', tarball, '--strip-components=1', '-C', join(modules, 'fastify-wechat-pay')], dir)
  for (const name of ['fastify', ...Object.keys(manifest.dependencies)]) symlinkSync(join(root, 'node_modules', name), join(modules, name))
  const paths = Object.keys(manifest.exports).filter(path => path !== './package.json')
  writeFileSync(join(dir, 'all.mts'), paths.map((path, at) => `export * as part${at} from 'fastify-wechat-pay${path.slice(1)}'`).join('\n'))
  for (const version of [22, 24, 26]) {
    symlinkSync(join(root, `node_modules/types-node-${version}`), join(modules, '@types/node'))
    try {
      run(join(root, 'node_modules/.bin/tsc'), ['--strict', '--exactOptionalPropertyTypes', '--noEmit', '--target', 'es2023', '--module', 'nodenext', '--types', 'node', '--skipLibCheck', 'false', 'all.mts'], dir)
      t.pass(`@types/node ${version}`)
    } catch (error) {
      t.fail(`@types/node ${version}: ${(error as { stdout: string }).stdout.slice(0, 2000)}`)
    }
    rmSync(join(modules, '@types/node'))
  }
})
