/** The dashboard's pages once more, each photographed into artifacts/ and checked by axe-core. */
process.env.LOOK = 'true'
await import('../e2e/dashboard.test.ts')
