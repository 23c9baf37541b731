/** Runs the test files that test/run.ts sends, one after another: starting a process takes longer than most of them. */
import { AsyncResource } from 'node:async_hooks'
import { once } from 'node:events'
import { pathToFileURL } from 'node:url'
import t from 'tap'
// Before the tests, because it measures how long this process took to start.
import './patience.ts'

// A test, so that tap waits for the next file. Its line has a time and no assertion: test/helpers/tap-report.ts skips it.
// Bound to this module's context, like the file's import: tap would lose errors thrown outside a promise by tests that were
// created in the context of a test which ended before they start.
const runNext = AsyncResource.bind(() => {
  t.test('next file', async t => {
    const file = await nextFile()
    if (file === null) return process.disconnect()
    // For test/run.ts and test/helpers/tap-report.ts.
    t.comment(`file: ${file}`)
    try {
      await load(file)
    } finally {
      runNext()
    }
  })
})

// Files are not arguments of the process: tap uses those in folder names.
const load = AsyncResource.bind((file: string) => import(pathToFileURL(file).href))

async function nextFile (): Promise<string | null> {
  // tap lets the process exit while it waits for a message.
  process.channel?.ref()
  process.send?.('next')
  const [{ file }] = await once(process, 'message') as [{ file: string | null }]
  process.channel?.unref()
  return file
}

runNext()
