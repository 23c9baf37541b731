/** Runs the files of `TEST_FILES`, one after another, in this process: to start one takes longer than most of them do. */
import { pathToFileURL } from 'node:url'
import t from 'tap'
// Before the tests: it measures how long this process took to start.
import './patience.ts'

// By the environment: tap names its folders after a process's arguments.
for (const file of (process.env.TEST_FILES ?? '').split('\n')) {
  // Written when the tests of the file before have ended; test/helpers/tap-report.ts reads it.
  t.comment(`file: ${file}`)
  await import(pathToFileURL(file).href)
}
