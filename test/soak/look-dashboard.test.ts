/** The dashboard test again, with screenshots in artifacts/ and axe-core's checks. */
process.env.LOOK = 'true'
await import('../e2e/dashboard.test.ts')
