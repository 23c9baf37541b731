/** Headless Chromium with a phone's screen. */
import { mkdirSync } from 'node:fs'
import axe from 'axe-core'
import { chromium } from 'playwright-core'
import type { Page } from 'playwright-core'
import { need } from './needs.ts'

export const { path, skip } = need('chromium')

const PHONE = { width: 390, height: 844 }
const DESKTOP = { width: 1280, height: 900 }
/**
 * The address bar's popups, of which each new page opens two, take more time than the pages under test, and so does a new
 * process whenever a page goes from the shop to WeChat and back (site isolation). The last `--disable-features` counts, so
 * those of Playwright's that matter here are named again.
 */
const DISABLED = ['WebUIOmniboxPopup', 'WebUIOmniboxAimPopup', 'PaintHolding', 'MediaRouter', 'OptimizationHints', 'HttpsUpgrades', 'IsolateOrigins', 'site-per-process', 'ProactivelySwapBrowsingInstance']
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-site-isolation-trials', `--disable-features=${DISABLED.join(',')}`]

/** Whether to take screenshots and run axe-core, which takes longer than the tests themselves. */
const isLooking = process.env.LOOK === 'true'

export async function startBrowser (t: { teardown (end: () => unknown): unknown }) {
  const browser = await chromium.launch({ executablePath: path, args: FLAGS })
  t.teardown(() => browser.close())
  return {
    async visitor (locale = 'zh-CN'): Promise<Page> {
      const context = await browser.newContext({ viewport: PHONE, deviceScaleFactor: isLooking ? 2 : 1, locale, reducedMotion: 'reduce' })
      // The test's timeout applies: a page may take long on a busy machine.
      context.setDefaultTimeout(0)
      // WeChat's script reports to its own host: answered here, because tests must not use the internet.
      await context.route(url => !/^(?:localhost|127\.0\.0\.1)$/.test(url.hostname), route => route.fulfill({ status: 204 }))
      return await context.newPage()
    }
  }
}

/** Names of pages that were looked at: once is enough. */
const seen = new Set<string>()

/**
 * With `LOOK=true` (test/soak/look-*.test.ts): saves screenshots for phone and desktop in artifacts/, and asserts that
 * axe-core finds no accessibility problem.
 */
export async function checkScreen (t: { same (found: unknown, wanted: unknown, name: string): unknown }, page: Page, name: string): Promise<void> {
  if (!isLooking || seen.has(name)) return
  seen.add(name)
  mkdirSync('artifacts', { recursive: true })
  const before = page.viewportSize()
  for (const [screen, size] of [['phone', PHONE], ['desktop', DESKTOP]] as const) {
    await page.setViewportSize(size)
    await page.screenshot({ path: `artifacts/${name}-${screen}.png`, scale: 'css' })
  }
  if (before) await page.setViewportSize(before)
  t.same(await accessibility(page), [], `${name}: axe-core`)
}

/** axe-core's findings, one per line. */
async function accessibility (page: Page): Promise<string[]> {
  // With evaluate, because the Content-Security-Policy blocks script tags.
  await page.evaluate(axe.source)
  const { violations } = await page.evaluate('axe.run({ iframes: false })') as axe.AxeResults
  return violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary = '' }) => `${id}: ${target.join(' ')}: ${failureSummary.split('\n')[1]?.trim()}`))
}
