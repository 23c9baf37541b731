import { cpSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitepress'
import { likeGitHub } from './markdown.ts'
import { repository } from './repository.ts'
import { sidebar } from './sidebar.ts'

/** `/`, or where GitHub Pages puts it: `/fastify-wechat-pay/`. */
const base = process.env.DOCS_BASE ?? '/'
const api = fileURLToPath(new URL('../api', import.meta.url))
const mermaid = fileURLToPath(new URL('../node_modules/mermaid/dist', import.meta.url))
const apiLink = { text: 'API', link: '/api/index.html', target: '_self' }
const editPattern = `${repository}/edit/main/docs/:path`

export default defineConfig({
  base,
  title: 'fastify-wechat-pay',
  description: 'Fastify plugins for WeChat Official Accounts and WeChat Pay, and an emulator of WeChat',
  cleanUrls: true,
  rewrites: { 'README.md': 'index.md', 'zh-CN/README.md': 'zh-CN/index.md' },
  srcExclude: ['api/**', 'node_modules/**'],
  head: [
    ['link', { rel: 'icon', type: 'image/svg+xml', href: `${base}favicon.svg` }],
    ['meta', { name: 'theme-color', content: '#07c160' }]
  ],
  markdown: { config: likeGitHub },
  buildEnd ({ outDir }) {
    if (!existsSync(api)) throw new Error('docs/api is missing: run npm run api before, or npm run docs for all')
    cpSync(api, join(outDir, 'api'), { recursive: true })
    for (const path of ['mermaid.esm.min.mjs', 'chunks/mermaid.esm.min']) cpSync(join(mermaid, path), join(outDir, 'mermaid', path), { recursive: true, filter: name => !name.endsWith('.map') })
  },
  locales: {
    root: {
      label: 'English',
      lang: 'en',
      themeConfig: {
        nav: [{ text: 'Guide', link: '/purchase' }, { text: 'Emulator', link: '/emulator' }, apiLink],
        sidebar: sidebar('en', '/'),
        outline: { level: [2, 3] },
        editLink: { pattern: editPattern, text: 'Edit this page' }
      }
    },
    'zh-CN': {
      label: '简体中文',
      lang: 'zh-CN',
      description: '微信公众号与微信支付的 Fastify 插件，附微信侧模拟器',
      themeConfig: {
        nav: [{ text: '指南', link: '/zh-CN/purchase' }, { text: '模拟器', link: '/zh-CN/emulator' }, apiLink],
        sidebar: sidebar('zh', '/zh-CN/'),
        outline: { level: [2, 3], label: '本页内容' },
        editLink: { pattern: editPattern, text: '编辑本页' },
        docFooter: { prev: '上一页', next: '下一页' },
        darkModeSwitchLabel: '深色模式',
        lightModeSwitchTitle: '切换到浅色模式',
        darkModeSwitchTitle: '切换到深色模式',
        sidebarMenuLabel: '目录',
        returnToTopLabel: '回到顶部',
        langMenuLabel: '切换语言',
        skipToContentLabel: '跳到正文',
        notFound: { title: '没有这一页', quote: '链接可能已经变了。', linkLabel: '回到目录', linkText: '回到目录' }
      }
    }
  },
  themeConfig: {
    socialLinks: [{ icon: 'github', link: repository }],
    search: {
      provider: 'local',
      options: {
        // Chinese has no blanks between words: each character is a term, so that 退款 is found inside a sentence.
        miniSearch: {
          options: { tokenize: text => text.match(/\p{Script=Han}|[^\p{Script=Han}\s\p{P}]+/gu) ?? [] },
          searchOptions: { combineWith: 'AND' }
        },
        locales: {
          'zh-CN': {
            translations: {
              button: { buttonText: '搜索', buttonAriaLabel: '搜索' },
              modal: {
                displayDetails: '显示详情',
                resetButtonTitle: '清空',
                backButtonTitle: '关闭',
                noResultsText: '没有找到：',
                footer: { selectText: '打开', navigateText: '切换', closeText: '关闭' }
              }
            }
          }
        }
      }
    }
  }
})
