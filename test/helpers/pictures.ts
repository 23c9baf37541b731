/** `npm run pictures`: creates the screenshots of the shop, the dashboard and the doctor. Look at them before committing. */
import { writeFileSync } from 'node:fs'
import type { Page } from 'playwright-core'
import { createShop } from '../../examples/shop/shop.ts'
import { createEmulator } from '../../plugins/emulator/server/emulator.ts'
import { startBrowser } from './browser.ts'
import { showDiagnosis } from './doctor-picture.ts'
import { freePort } from './redis.ts'

const ends: Array<() => unknown> = []
const test = { teardown: (end: () => unknown) => ends.unshift(end), fail: (message: string) => { throw new Error(message) } }
const { visitor } = await startBrowser(test)
const emulator = await createEmulator({ appName: 'Mountain Coffee', merchantName: 'Mountain Coffee' })
const port = await freePort()
const origin = `http://localhost:${port}`
const { merchant, ...account } = emulator.config
const shop = await createShop({ account: { ...account, merchant: { ...merchant, notifyUrl: `${origin}/wechat/notify` } }, origin, bridge: `${emulator.origin}/_emulator/bridge.js` })
await shop.app.listen({ port, host: 'localhost' })

const page = await visitor('en-GB')
const shots: string[] = []
const shoot = async () => { shots.push((await page.screenshot()).toString('base64')) }
const buy = async (button: '#pay' | '#cancel') => {
  await page.waitForSelector('#buy:enabled')
  await page.click('#buy')
  await page.frameLocator('iframe').locator('#pay').waitFor()
  if (shots.length === 1) await shoot()
  await page.frameLocator('iframe').locator(button).click()
}
await page.goto(origin)
await page.click('#login')
await page.click('#allow')
await page.waitForSelector('#buy:enabled')
await shoot()
await buy('#pay')
await page.waitForSelector('#outcome[data-state=paid]')
await shoot()
// For the dashboard: a partly refunded order and a cancelled one.
const [{ out_trade_no: paid }] = (await emulator.app.inject('/_emulator/orders')).json()
await emulator.app.inject({ method: 'POST', url: `/_emulator/orders/${paid}/refund`, payload: { amount: 800 } })
await page.goto(origin)
await buy('#cancel')
await page.waitForSelector('#outcome[data-state=cancelled]')
await page.goto(origin)
await buy('#pay')
await page.waitForSelector('#outcome[data-state=paid]')

const board = await visitor('en-GB')
await board.setViewportSize({ width: 1080, height: 760 })
await board.goto(`${emulator.origin}/_emulator/dashboard`)
await board.locator('.badge').getByText('partly refunded').waitFor()

await side(await visitor(), shots)
save('dashboard', await webp(board, [(await board.screenshot()).toString('base64')], 1400, 0))
for (const [lang, name] of [['en', 'doctor'], ['zh', 'doctor.zh-CN']] as const) {
  const terminal = await visitor()
  await showDiagnosis(test, terminal, lang)
  const output = terminal.locator('pre')
  save(name, await webp(terminal, [(await output.screenshot()).toString('base64')], Math.round((await output.boundingBox())?.width ?? 0), 0))
}
await shop.app.close()
await emulator.close()
for (const end of ends) await end()

async function side (page: Page, shots: string[]) { save('shop', await webp(page, shots, 420, 24)) }

/** Puts the pictures side by side, each `width` pixels wide. */
async function webp (page: Page, shots: string[], width: number, gap: number): Promise<string> {
  return await page.evaluate(`(async () => {
    const images = await Promise.all(${JSON.stringify(shots)}.map(async data => { const image = new Image(); image.src = 'data:image/png;base64,' + data; await image.decode(); return image }))
    const height = Math.round(${width} * images[0].height / images[0].width)
    const canvas = Object.assign(document.createElement('canvas'), { width: images.length * ${width + gap} - ${gap}, height })
    const ink = canvas.getContext('2d')
    ink.imageSmoothingQuality = 'high'
    images.forEach((image, at) => ink.drawImage(image, at * ${width + gap}, 0, ${width}, height))
    return canvas.toDataURL('image/webp', 0.86).split(',')[1]
  })()`) as string
}

function save (name: string, base64: string): void {
  const bytes = Buffer.from(base64, 'base64')
  writeFileSync(new URL(`../../docs/images/${name}.webp`, import.meta.url), bytes)
  console.log(`docs/images/${name}.webp: ${Math.round(bytes.length / 1024)} kB`)
}
