/** Runs the files of `TEST_FILES` in this process, one after another: starting a process takes longer than most of them. */
import { pathToFileURL } from 'node:url'
import t from 'tap'
// Before the tests, because it measures how long this process took to start.
import './patience.ts'

// Not as arguments: tap uses them in folder names.
for (const file of (process.env.TEST_FILES ?? '').split('\n')) {
  // Printed when the previous file's tests have ended; for test/helpers/tap-report.ts.
  t.comment(`file: ${file}`)
  await import(pathToFileURL(file).href)
}
