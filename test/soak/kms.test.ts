/** examples/kms: the private key stays in another process. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { unwatched } from '../helpers/unwatched.ts'

t.test('orders and pages are signed by the other process', async t => {
  const { stdout, stderr } = await promisify(execFile)('env', unwatched(process.execPath, ['--import', 'tsx', 'examples/kms/main.ts']))
  t.match(stdout, /signed by the remote key: prepay_id=\S+, signType RSA\nKMS-0001: SUCCESS\n/)
  t.equal(stderr, '')
})
