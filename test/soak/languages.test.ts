/** The programs in docs/languages, run by `exec` with the languages' standard libraries only. */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { command } from '../helpers/command.ts'
import { need } from '../helpers/needs.ts'
import { freePort } from '../helpers/redis.ts'
import { sample } from '../helpers/samples.ts'

/** Debian's Python is the one that has Debian's packages. */
const PYTHON = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3'
// Java is too large to install for this test.
const java = ['/usr/bin/java', '/usr/lib/jvm/default-java/bin/java'].find(path => existsSync(path))

const PROGRAMS = [
  { page: 'curl', file: 'order.sh', needs: ['curl', 'openssl'], ends: /^paid: (\S+)$/m },
  { page: 'python', file: 'shop.py', needs: ['python3'], ends: /^paid: (\S+) 6800\nstate: SUCCESS$/m },
  { page: 'php', file: 'shop.php', needs: ['php'], ends: /^paid: (\S+) 6800\nstate: SUCCESS$/m },
  { page: 'go', file: 'main.go', needs: ['go'], ends: /^paid: (\S+) 6800\nstate: SUCCESS$/m },
  { page: 'java', file: 'Shop.java', needs: [], ends: /^paid: (\S+)$/m }
]

for (const { page, file, needs, ends } of PROGRAMS) {
  const missing = page === 'java' ? java === undefined && 'java is not installed on this machine' : needs.map(name => need(name).skip).find(Boolean) ?? false
  t.test(`${page}: an order is placed, paid and queried`, { skip: missing }, async t => {
    const dir = t.testdir()
    writeFileSync(join(dir, file), sample(`docs/languages/${page}.md`, `file: ${file}`))
    const [, line = ''] = /^npx wechat-emulator exec -- (.+)$/.exec(sample(`docs/languages/${page}.md`, `run: ${file}`).trim()) ?? []
    const words = line.split(' ').map(word => word === 'python3' ? PYTHON : word)
    const shop = command(['exec', '--port', '0', '--', ...words], { cwd: dir, env: { PORT: String(await freePort()), GOCACHE: process.env.GOCACHE ?? '/tmp/go-build', GOFLAGS: '-mod=mod' } })
    t.teardown(shop.stop)
    const dashboard = await shop.waitFor(/WeChat emulator: (\S+)/)
    const number = await shop.waitFor(/^placed: (\S+) .*wx\w+/m)
    t.match(await fetch(`${new URL(dashboard).origin}/_emulator/orders/${number}/pay`, { method: 'POST' }), { status: 200 })
    t.equal(await shop.ended, 0, shop.printed.err)
    t.equal(ends.exec(shop.printed.out)?.[1], number)
  })
}

t.test('certificates and key stores are read by openssl, PHP and Java as WeChat\'s own are', { skip: need('openssl').skip }, async t => {
  const dir = t.testdir()
  const read = ['openssl pkcs12 -in "$WECHAT_KEYS/apiclient_cert.p12" -passin "pass:$WECHAT_MCH_ID" -nodes -info 2>&1 | grep -E "MAC:|Shrouded|subject"']
  const patterns = [/MAC: sha1, Iteration 2048/, /Shrouded Keybag: pbeWithSHA1And3-KeyTripleDES-CBC/, /subject=CN = \d{10}/]
  if (!need('php').skip) {
    read.push('php -r \'openssl_pkcs12_read(file_get_contents(getenv("WECHAT_KEYS")."/apiclient_cert.p12"), $read, getenv("WECHAT_MCH_ID")); echo "php ", implode(",", array_keys($read)), "\\n";\'')
    patterns.push(/^php cert,pkey$/m)
  }
  if (java !== undefined && existsSync('/usr/bin/keytool')) {
    read.push('keytool -list -keystore "$WECHAT_KEYS/apiclient_cert.p12" -storepass "$WECHAT_MCH_ID"', 'keytool -list -keystore "$WECHAT_KEYS/truststore.p12" -storepass changeit | grep -c trustedCertEntry')
    patterns.push(/PrivateKeyEntry/, /^\d{2,3}$/m)
  }
  const around = command(['exec', '--port', '0', '--', 'sh', '-c', read.join(' && ')], { cwd: dir })
  const output = await around.output()
  for (const pattern of patterns) t.match(output, pattern)
})
