/** A real Chromium, headless, with a phone's screen. */
import { mkdirSync } from 'node:fs'
import { chromium } from 'playwright-core'
import type { Page } from 'playwright-core'
import { need } from './needs.ts'

export const { path, skip } = need('chromium')

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']

export async function startBrowser (t: { teardown (end: () => unknown): unknown }) {
  const browser = await chromium.launch({ executablePath: path, args: FLAGS })
  t.teardown(() => browser.close())
  return {
    async visitor (locale = 'zh-CN'): Promise<Page> {
      const context = await browser.newContext({ viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, locale })
      // The test's own time-out ends what hangs for ever: a page may take long on a busy machine.
      context.setDefaultTimeout(0)
      // WeChat's script reports to its own host now and then: answered here, since nothing may leave this machine.
      await context.route(url => !/^(?:localhost|127\.0\.0\.1)$/.test(url.hostname), route => route.fulfill({ status: 204 }))
      return await context.newPage()
    }
  }
}

/** Kept to be looked at, not committed. */
export async function picture (page: Page, name: string): Promise<void> {
  mkdirSync('artifacts', { recursive: true })
  await page.screenshot({ path: `artifacts/${name}.png` })
}
