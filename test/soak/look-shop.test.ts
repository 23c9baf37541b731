/** The shop's browser test again, with screenshots in artifacts/ and axe-core's checks. */
process.env.LOOK = 'true'
await import('../e2e/browser.test.ts')
