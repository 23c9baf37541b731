/** The pages are written for GitHub. What works there and not in VitePress is changed here: links, and Mermaid. */
import { basename, dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { MarkdownOptions } from 'vitepress'
import { repository } from './repository.ts'

type MarkdownIt = Parameters<NonNullable<MarkdownOptions['config']>>[0]

const docs = fileURLToPath(new URL('..', import.meta.url))

export function likeGitHub (md: MarkdownIt): void {
  md.core.ruler.push('github-links', ({ tokens, env }) => {
    for (const { children } of tokens) {
      for (const token of children ?? []) {
        const href = token.type === 'link_open' ? token.attrGet('href') : null
        if (href && !/^(?:[a-z]+:|#|\/)/.test(href)) token.attrSet('href', onSite(href, env.path as string))
      }
    }
  })

  const fence = md.renderer.rules.fence
  md.renderer.rules.fence = (tokens, at, ...rest) => {
    const token = tokens[at]
    if (token?.info.trim() === 'mermaid') return `<Diagram code="${encodeURIComponent(token.content)}" />\n`
    return fence?.(tokens, at, ...rest) ?? ''
  }
}

/** Beyond docs/ is the repository; a folder's README.md is its index. */
function onSite (href: string, page: string): string {
  const [path = '', anchor] = href.split('#')
  const target = relative(docs, join(dirname(page), path))
  const hash = anchor === undefined ? '' : `#${anchor}`
  if (target.startsWith('..')) return `${repository}/blob/main/${relative('..', target)}${hash}`
  return basename(path) === 'README.md' ? `${path.slice(0, -'README.md'.length)}index.md${hash}` : href
}
