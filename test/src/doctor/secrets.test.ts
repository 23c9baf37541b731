/** Servers that echo requests and refuse in many ways: the doctor's output contains no secrets. */
import { inspect } from 'node:util'
import t from 'tap'
import { diagnose } from '../../../src/index.ts'
import { textOf } from '../../../plugins/doctor/text.ts'
import { healthy, SECRETS } from '../../helpers/doctor.ts'
import { FAULTS, fakeServer, json } from '../../helpers/fake-server.ts'
import type { Answer } from '../../helpers/fake-server.ts'
import { patience } from '../../helpers/patience.ts'

t.test('no output contains a secret', async t => {
  const { options, settings } = await healthy(t)
  const wechat = await fakeServer(json({}))
  t.teardown(wechat.close)
  const token = 'canary_access_token_of_the_account'
  const pems = [options.merchant.v2?.key, options.merchant.v3?.privateKey].map(String).join('\n').split('\n').filter(line => line.length > 20 && !line.startsWith('---'))
  const secrets = [...Object.values(SECRETS), token, ...pems]
  const everything = ({ url, body, headers }: { url: string, body: string, headers: object }, more = '') => `you sent ${url} ${body} ${JSON.stringify(headers)} ${Object.values(SECRETS).join(' ')} ${pems[0]} ${more}`
  const answers: Answer[] = [
    (seen, reply) => { reply.end(JSON.stringify({ errcode: 40013, errmsg: everything(seen) })) },
    (seen, reply) => { reply.end(JSON.stringify({ errcode: 40164, errmsg: `invalid ip ${everything(seen)} rid: ${SECRETS.appSecret}` })) },
    (seen, reply) => { reply.writeHead(401, { 'content-type': 'application/json', 'request-id': `${SECRETS.apiV3Key}-1` }).end(JSON.stringify({ code: 'SIGN_ERROR', message: everything(seen) })) },
    (seen, reply) => { reply.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify({ code: SECRETS.apiV3Key, message: everything(seen) })) },
    (seen, reply) => { reply.end(`<xml><return_code>FAIL</return_code><return_msg><![CDATA[appid ${everything(seen).replaceAll(']]>', '')}]]></return_msg></xml>`) },
    (seen, reply) => { reply.end(seen.url.includes('stable_token') ? JSON.stringify({ access_token: token, expires_in: 7200 }) : JSON.stringify({ errcode: 40001, errmsg: everything(seen, token) })) },
    (seen, reply) => { reply.writeHead(302, { location: `https://${SECRETS.appSecret}.test/?${everything(seen).slice(0, 20)}`, via: SECRETS.apiKey }).end() },
    ...Object.values(FAULTS)
  ]
  let failures = 0
  for (const [at, answer] of answers.entries()) {
    wechat.become(answer)
    const wrong = { ...options, merchant: { ...options.merchant, notifyUrl: `${wechat.origin}/notify` }, endpoints: wechat.endpoints, http: { retries: 0, timeout: patience(300) } }
    for (const lang of ['en', 'zh'] as const) {
      const diagnosis = await diagnose(wrong, { ...settings, lang })
      failures += diagnosis.checks.filter(({ status }) => status === 'failed').length
      const output = inspect(diagnosis, { depth: 5 }) + JSON.stringify(diagnosis) + textOf(diagnosis, { lang, color: true, seconds: 1 })
      for (const secret of secrets) if (output.includes(secret)) t.fail(`a secret in the result for answer ${at}: ${diagnosis.checks.map(({ message }) => message).find(message => message.includes(secret))}`)
      t.notMatch(output.replaceAll('\x1b[', ''), /[\x00-\x09\x0b-\x1f]/, 'no terminal control characters')
      t.notOk(diagnosis.checks.some(({ message }) => /the check itself|检查本身/.test(message)), inspect(diagnosis.checks.filter(({ message }) => /the check itself/.test(message))))
    }
  }
  t.ok(failures >= 40, `${failures} failures were provoked`)
})

t.test('wrong keys are not quoted', async t => {
  const { options, settings } = await healthy(t)
  const odd = { ...options, appSecret: 'canarytooshort0000canary', encryptionKey: 'canarytooshort0000canary', merchant: { ...options.merchant, v2: { apiKey: 'canarytoolong000000canary0000000000000000' }, v3: { ...options.merchant.v3 as object, privateKey: 'canarynopematall000canary', apiV3Key: 'your-canarykey00000canary-and-more' } as never } }
  const output = JSON.stringify(await diagnose(odd, { ...settings, offline: true }))
  t.notMatch(output, /canary/)
  t.match(output, /"ok":false/)
})
