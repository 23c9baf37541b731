/** The shop's and WeChat's pages once more, each photographed into artifacts/ and checked by axe-core. */
process.env.LOOK = 'true'
await import('../e2e/browser.test.ts')
