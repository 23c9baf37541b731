/** The pages of the site, in the order in which a newcomer needs them. */
import type { DefaultTheme } from 'vitepress'

type Language = 'en' | 'zh'
type Words = Record<Language, string>

const LANGUAGES = [['curl', 'curl'], ['python', 'Python'], ['go', 'Go'], ['php', 'PHP'], ['java', 'Java']] as const

/** Each page's file name, and what the sidebar calls it. */
const GROUPS: Array<{ title: Words, pages: Record<string, Words> }> = [
  {
    title: { en: 'Start here', zh: '从这里开始' },
    pages: {
      purchase: { en: 'A purchase in five steps', zh: '五步完成一次购买' },
      emulator: { en: 'The emulator', zh: '模拟器' },
      plugins: { en: 'Plugins', zh: '各个插件' },
      errors: { en: 'Errors and what to do', zh: '错误与处理办法' }
    }
  },
  {
    title: { en: 'Payments', zh: '支付' },
    pages: {
      pay: { en: 'Orders, refunds, bills', zh: '下单、退款、账单' },
      notifications: { en: 'Notifications', zh: '通知' },
      'v2-to-v3': { en: 'From v2 to v3', zh: '从 v2 迁到 v3' }
    }
  },
  {
    title: { en: 'Production', zh: '生产环境' },
    pages: {
      promises: { en: 'What is promised', zh: '我们保证什么' },
      'going-live': { en: 'Going live', zh: '上线清单' },
      redis: { en: 'Redis and clusters', zh: 'Redis 与多进程' },
      accounts: { en: 'Several accounts', zh: '多账号' },
      'mini-program': { en: 'Mini programs', zh: '小程序' },
      'open-platform': { en: 'Third-party platform', zh: '第三方平台' },
      observability: { en: 'Observability', zh: '可观测性' },
      recipes: { en: 'Recipes', zh: '实用做法' },
      security: { en: 'Security', zh: '安全说明' }
    }
  },
  {
    title: { en: 'The emulator by language', zh: '各语言接入模拟器' },
    pages: Object.fromEntries(LANGUAGES.map(([file, name]) => [`languages/${file}`, { en: name, zh: name }]))
  }
]

export const sidebar = (language: Language, base: string): DefaultTheme.SidebarItem[] => [
  { text: { en: 'Overview and glossary', zh: '目录与术语表' }[language], link: base },
  ...GROUPS.map(({ title, pages }) => ({
    text: title[language],
    items: Object.entries(pages).map(([page, words]) => ({ text: words[language], link: base + page }))
  }))
]
