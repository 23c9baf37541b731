/** Links, and the same pages and code in both languages. test/soak/samples.test.ts compiles the samples. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import t from 'tap'
import { root } from './helpers/packed.ts'
import { pages, samplesOf } from './helpers/samples.ts'
import type { Sample } from './helpers/samples.ts'

/** READMEs have absolute links, because npm shows them too; these point to this repository. */
const { repository, scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { repository: { url: string }, scripts: Record<string, string> }
const slug = repository.url.replace(/^git\+https:\/\/github\.com\/|\.git$/g, '')
const inRepository = new RegExp(`^https://(?:github\\.com/${slug}/blob/main|raw\\.githubusercontent\\.com/${slug}/main)/`)

t.test('links point to existing files and headings', t => {
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

t.test('the READMEs work on npm: installation first, absolute links and pictures', t => {
  for (const page of ['README.md', 'README.zh-CN.md']) {
    const text = readFileSync(join(root, page), 'utf8')
    t.match(text.slice(0, 1200), /^npm install fastify-wechat-pay$/m, page)
    t.same([...text.matchAll(/\]\(((?!https:)[^)\s]+)\)/g)].map(([, link]) => link), [], `${page}: relative links`)
    t.ok(text.split(/\s+/).length < 1200, `${page} can be read in a few minutes`)
  }
  t.end()
})

t.test('the glossary has the same twenty terms in both languages', t => {
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

t.test('workflows run existing scripts, with pinned actions and minimal permissions', t => {
  for (const name of readdirSync(join(root, '.github/workflows'))) {
    const text = readFileSync(join(root, '.github/workflows', name), 'utf8')
    for (const [, script = ''] of text.matchAll(/npm run ([\w:-]+)/g)) t.ok(script in scripts, `${name}: npm run ${script}`)
    for (const [, action = ''] of text.matchAll(/uses: (\S+)/g)) t.match(action, /^(?:\.\/|[\w-]+\/[\w-]+@v\d+$)/, `${name}: ${action}`)
    t.match(text, /^permissions:\n {2}contents: read\n\n/m, `${name} is read-only by default`)
    t.notMatch(text, /secrets\./, `${name} needs no stored secret`)
  }
  t.end()
})

t.test('every page exists in both languages, with the same code', t => {
  // Comments and strings may be translated.
  const structure = ({ code }: Sample) => code.replace(/\/\/.*|#.*|'[^']*'|"[^"]*"|\/\*[\s\S]*?\*\/|`[^`]*`/g, '').replace(/\s+/g, ' ').trim()
  const inside = (folder: string) => readdirSync(join(root, 'docs', folder)).filter(name => name.endsWith('.md')).map(name => join(folder, name))
  for (const page of [...inside(''), ...inside('languages')]) {
    const [english, chinese] = [`docs/${page}`, `docs/zh-CN/${page}`]
    if (!t.ok(existsSync(join(root, chinese)), chinese)) continue
    const code = (file: string) => samplesOf(file).filter(({ language }) => /^(?:js|ts|sh|nginx|python|go|php|java)$/.test(language)).map(structure)
    t.same(code(chinese), code(english), page)
  }
  t.end()
})
