/** Extracts the documentation's code blocks, so that tests can run them. */
import { readdirSync, readFileSync } from 'node:fs'

export interface Sample {
  file: string
  /** The block's first line, for messages. */
  line: number
  language: string
  /** The preceding comment: `file: NAME`, `run: NAME`, `test: NAME`; '' if there is none. */
  mark: string
  code: string
}

const root = new URL('../../', import.meta.url)

export function samplesOf (file: string): Sample[] {
  const text = readFileSync(new URL(file, root), 'utf8')
  return [...text.matchAll(/(?:<!-- ([^>]+) -->\n)?^```(\w+)\n([\s\S]*?)^```$/gm)].map(({ 1: mark = '', 2: language = '', 3: code = '', index }) =>
    ({ file, line: text.slice(0, index).split('\n').length, language, mark, code }))
}

/** The block with this mark. @throws Error if there is none */
export function sample (file: string, mark: string): string {
  const found = samplesOf(file).find(sample => sample.mark === mark)
  if (!found) throw new Error(`${file} has no block marked “${mark}”`)
  return found.code
}

/** Every page of the documentation, in both languages. */
export const pages = [
  'README.md', 'README.zh-CN.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CODE_OF_CONDUCT.md', 'bench/README.md',
  ...['docs', 'docs/zh-CN', 'docs/languages', 'docs/zh-CN/languages'].flatMap(folder => readdirSync(new URL(folder, root)).filter(name => name.endsWith('.md')).map(name => `${folder}/${name}`))
]
