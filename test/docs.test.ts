/** Every code sample of the documentation compiles; links lead somewhere; both languages say the same in code. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import t from 'tap'
import { root } from './helpers/packed.ts'
import { samplesOf } from './helpers/samples.ts'
import type { Sample } from './helpers/samples.ts'

const pages = [
  'README.md', 'README.zh-CN.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CODE_OF_CONDUCT.md', 'bench/README.md',
  ...['docs', 'docs/zh-CN', 'docs/languages', 'docs/zh-CN/languages'].flatMap(folder => readdirSync(join(root, folder)).filter(name => name.endsWith('.md')).map(name => `${folder}/${name}`))
]

/** Links of the READMEs are whole, since npm shows them too: these lead into this repository. */
const { repository, scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { repository: { url: string }, scripts: Record<string, string> }
const slug = repository.url.replace(/^git\+https:\/\/github\.com\/|\.git$/g, '')
const inRepository = new RegExp(`^https://(?:github\\.com/${slug}/blob/main|raw\\.githubusercontent\\.com/${slug}/main)/`)

/** Packages that a sample names and that are not installed here, since only their users have them. */
const ELSEWHERE = `
declare module '@nestjs/core' { export const NestFactory: { create (module: unknown, adapter: unknown): Promise<any> } }
declare module '@nestjs/platform-fastify' { export class FastifyAdapter {} }
declare module '@fastify/aws-lambda' { const wrap: (app: unknown) => (event: unknown) => Promise<unknown>; export default wrap }
declare const AppModule: unknown, OrderService: unknown
declare const kms: { sign (algorithm: string, bytes: Uint8Array): Promise<Uint8Array> }`

t.test('samples compile', t => {
  // Inside the repository, so that what they import is found.
  const dir = join(root, '.tap/samples')
  rmSync(dir, { recursive: true, force: true })
  mkdirSync(dir, { recursive: true })
  const samples = pages.flatMap(samplesOf).filter(({ language }) => language === 'js' || language === 'ts')
  // Those with a mark are run by other tests.
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
  let said = ''
  try {
    execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', dir], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    said = (error as { stdout: string }).stdout
  }
  const problems = said.split('\n').filter(line => /sample-\d+\.ts.*error TS/.test(line)).map(line => {
    const { file, line: begins } = byFile.get(/sample-\d+\.ts/.exec(line)?.[0] ?? '') ?? { file: '', line: 0 }
    return `${file}:${begins} ${line}`
  })
  t.same(problems, [])
  t.ok(compiled.length > 30, `${compiled.length} samples`)
  t.end()
})

t.test('links lead to files and headings that are there', t => {
  const anchors = (text: string) => [...text.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) => title.toLowerCase().replace(/[^\p{L}\p{N}\- ]/gu, '').replaceAll(' ', '-'))
  for (const page of pages) {
    const text = readFileSync(join(root, page), 'utf8')
    for (const [, link = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      const isWhole = inRepository.test(link)
      if (!isWhole && /^[a-z]+:/.test(link)) continue
      const [path = '', anchor] = link.replace(inRepository, '').split('#')
      const target = isWhole ? path : path === '' ? page : normalize(join(dirname(page), path))
      const isThere = existsSync(join(root, target))
      t.ok(isThere, `${page} → ${link}`)
      if (isThere && anchor !== undefined) t.ok(anchors(readFileSync(join(root, target), 'utf8')).includes(decodeURIComponent(anchor)), `${page} → ${link}: the heading`)
    }
  }
  t.end()
})

t.test('the READMEs work on npm: installing comes first, links and pictures are whole', t => {
  for (const page of ['README.md', 'README.zh-CN.md']) {
    const text = readFileSync(join(root, page), 'utf8')
    t.match(text.slice(0, 1200), /^npm install fastify-wechat-pay$/m, page)
    t.same([...text.matchAll(/\]\(((?!https:)[^)\s]+)\)/g)].map(([, link]) => link), [], `${page}: relative links`)
    t.ok(text.split(/\s+/).length < 1200, `${page} is read in a few minutes`)
  }
  t.end()
})

t.test('the glossary has twenty terms, the same in both languages', t => {
  const terms = (page: string) => [...readFileSync(join(root, page), 'utf8').matchAll(/^\| ([^|]+) \| ([^|]+) \| (`[^|]+`) \| [^|]+ \|$/gm)].map(([, first = '', second = '', field = '']) => ({ names: [first, second].sort(), field }))
  const english = terms('docs/README.md')
  t.equal(english.length, 20)
  t.same(terms('docs/zh-CN/README.md'), english)
  t.end()
})

t.test('every page is in the sidebar of the site, and in the list of pages', t => {
  const sidebar = readFileSync(join(root, 'docs/.vitepress/sidebar.ts'), 'utf8')
  const list = readFileSync(join(root, 'docs/README.md'), 'utf8')
  for (const page of readdirSync(join(root, 'docs')).filter(name => name.endsWith('.md') && name !== 'README.md')) {
    const name = page.slice(0, -'.md'.length)
    t.match(sidebar, new RegExp(`^ +'?${name}'?: \\{ en: `, 'm'), `the sidebar has ${name}`)
    t.match(list, `](${page})`, `docs/README.md has ${page}`)
  }
  for (const name of readdirSync(join(root, 'docs/languages')).map(name => name.slice(0, -'.md'.length))) t.match(sidebar, `['${name}', `, `the sidebar has languages/${name}`)
  t.end()
})

t.test('workflows run scripts that are there, with actions pinned and few permissions', t => {
  for (const name of readdirSync(join(root, '.github/workflows'))) {
    const text = readFileSync(join(root, '.github/workflows', name), 'utf8')
    for (const [, script = ''] of text.matchAll(/npm run ([\w:-]+)/g)) t.ok(script in scripts, `${name}: npm run ${script}`)
    for (const [, action = ''] of text.matchAll(/uses: (\S+)/g)) t.match(action, /^(?:\.\/|[\w-]+\/[\w-]+@v\d+$)/, `${name}: ${action}`)
    t.match(text, /^permissions:\n {2}contents: read\n\n/m, `${name} may only read, unless a job says otherwise`)
    t.notMatch(text, /secrets\./, `${name} needs no stored secret`)
  }
  t.end()
})

t.test('every page is there in both languages, with the same code', t => {
  // Comments may be translated, and so may texts.
  const bones = ({ code }: Sample) => code.replace(/\/\/.*|#.*|'[^']*'|"[^"]*"|\/\*[\s\S]*?\*\/|`[^`]*`/g, '').replace(/\s+/g, ' ').trim()
  const inside = (folder: string) => readdirSync(join(root, 'docs', folder)).filter(name => name.endsWith('.md')).map(name => join(folder, name))
  for (const page of [...inside(''), ...inside('languages')]) {
    const [english, chinese] = [`docs/${page}`, `docs/zh-CN/${page}`]
    if (!t.ok(existsSync(join(root, chinese)), chinese)) continue
    const code = (file: string) => samplesOf(file).filter(({ language }) => /^(?:js|ts|sh|nginx|python|go|php|java)$/.test(language)).map(bones)
    t.same(code(chinese), code(english), page)
  }
  t.end()
})
