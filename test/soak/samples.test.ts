/** Every code sample of the documentation compiles. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { root } from '../helpers/packed.ts'
import { pages, samplesOf } from '../helpers/samples.ts'
import type { Sample } from '../helpers/samples.ts'

/** Declarations of packages that samples import and that are not installed here. */
const ELSEWHERE = `
declare module '@nestjs/core' { export const NestFactory: { create (module: unknown, adapter: unknown): Promise<any> } }
declare module '@nestjs/platform-fastify' { export class FastifyAdapter {} }
declare module '@fastify/aws-lambda' { const wrap: (app: unknown) => (event: unknown) => Promise<unknown>; export default wrap }
declare const AppModule: unknown, OrderService: unknown
declare const kms: { sign (algorithm: string, bytes: Uint8Array): Promise<Uint8Array> }`

t.test('samples compile', t => {
  // Inside the repository, so that imports resolve.
  const dir = join(root, '.tap/samples')
  rmSync(dir, { recursive: true, force: true })
  mkdirSync(dir, { recursive: true })
  const samples = pages.flatMap(samplesOf).filter(({ language }) => language === 'js' || language === 'ts')
  // Other tests run the samples with a mark.
  const compiled = samples.filter(({ mark }) => mark === '')
  const byFile = new Map<string, Sample>()
  for (const [at, sample] of compiled.entries()) {
    const name = `sample-${at}.ts`
    byFile.set(name, sample)
    writeFileSync(join(dir, name), `${sample.code.replaceAll('{ … }', '{ /* … */ }')}\nexport {}\n`)
  }
  writeFileSync(join(dir, 'elsewhere.d.ts'), ELSEWHERE)
  writeFileSync(join(dir, 'tsconfig.json'), JSON.stringify({
    extends: '../../tsconfig.json',
    compilerOptions: {
      noImplicitAny: false,
      noUnusedLocals: false,
      noUnusedParameters: false,
      useUnknownInCatchVariables: false,
      noUncheckedIndexedAccess: false,
      strictNullChecks: false,
      allowImportingTsExtensions: true,
      rewriteRelativeImportExtensions: false,
      types: ['node'],
      paths: { 'fastify-wechat-pay': ['../../plugins/wechat-pay.ts'], 'fastify-wechat-pay/core': ['../../src/index.ts'], 'fastify-wechat-pay/emulator': ['../../plugins/emulator/server/emulator.ts'], 'fastify-wechat-pay/*': ['../../plugins/*.ts'] }
    },
    include: ['*.ts', '../../test/helpers/samples.d.ts']
  }))
  let output = ''
  try {
    execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', dir], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    output = (error as { stdout: string }).stdout
  }
  const problems = output.split('\n').filter(line => /sample-\d+\.ts.*error TS/.test(line)).map(line => {
    const { file, line: begins } = byFile.get(/sample-\d+\.ts/.exec(line)?.[0] ?? '') ?? { file: '', line: 0 }
    return `${file}:${begins} ${line}`
  })
  t.same(problems, [])
  t.ok(compiled.length > 30, `${compiled.length} samples`)
  t.end()
})
