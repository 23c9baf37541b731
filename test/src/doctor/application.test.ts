/** Checks of the application's options, and the format of the result. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { diagnose } from '../../../src/index.ts'
import type { DiagnoseOptions } from '../../../src/index.ts'
import { CHECKS } from '../../../src/doctor/diagnose.ts'
import { healthy, reportsOnly, findProblems } from '../../helpers/doctor.ts'

t.test('one problem at a time', async t => {
  const { options, settings } = await healthy(t)
  const without = (name: keyof DiagnoseOptions): DiagnoseOptions => ({ ...options, [name]: undefined })
  await reportsOnly(t, 'orders without onPayment', { id: 'application.notifications' }, without('onPayment'), settings)
  await reportsOnly(t, 'no expected()', { id: 'application.expected', status: 'warning' }, without('expected'), settings)
  await reportsOnly(t, 'no unfinished()', { id: 'application.reconcile', status: 'warning' }, without('unfinished'), settings)
  await reportsOnly(t, 'a handler with a single parameter', { id: 'application.idempotency', status: 'warning' }, { ...options, onPayment: (_payment: unknown) => {} }, settings)
  t.same(await findProblems(t, { ...options, onPayment: (...all: unknown[]) => all }, settings), [], 'a handler with rest parameters may use it')
  await reportsOnly(t, 'a short shutdown', { id: 'application.shutdown', status: 'warning', message: /2000 ms/ }, options, { ...settings, shutdownTime: 2000 })
})

t.test('the result', async t => {
  const { options, settings } = await healthy(t)
  const seen: string[] = []
  const diagnosis = await diagnose(options, { ...settings, onProgress: ({ id, done, total }) => { seen.push(`${done}/${total} ${id}`) } })
  t.equal(seen.length, CHECKS.length)
  t.equal(seen.at(-1)?.split(' ')[0], `${CHECKS.length}/${CHECKS.length}`)
  t.same(Object.keys(diagnosis), ['ok', 'checks'])
  for (const check of diagnosis.checks) {
    t.same(Object.keys(check).filter(name => !['id', 'status', 'message', 'advice', 'wechatCode', 'requestId'].includes(name)), [])
    t.ok(['passed', 'failed', 'warning', 'skipped'].includes(check.status))
  }
  t.match(diagnosis.checks.find(({ id }) => id === 'v3.query'), { wechatCode: 'ORDER_NOT_EXIST', requestId: /-268512771$/ })
  // diagnose() does not throw, whatever the options are.
  for (const odd of [{}, { merchant: {} }, { appId: 1, appSecret: [], merchant: { mchId: {}, v2: {}, v3: {}, notifyUrl: 5 }, endpoints: { api: 'x' }, http: { ca: 'rubbish' }, redis: { eval: () => { throw new Error('no') } }, origin: 7 }]) {
    const { checks } = await diagnose(odd as never, { ...settings, offline: true })
    t.equal(checks.length, CHECKS.length)
    t.notOk(checks.some(({ message }) => /the check itself/.test(message)), JSON.stringify(checks.filter(({ message }) => /the check itself/.test(message))))
  }
})

t.test('every message exists in both languages, and every dependency is a check', t => {
  const ids = CHECKS.map(({ id }) => id)
  for (const { id, needs, messages } of CHECKS) {
    for (const need of needs) t.ok(ids.includes(need), `${id} needs ${need}`)
    for (const [outcome, { status, en, zh, advice }] of Object.entries(messages)) {
      const places = (text: string) => [...new Set(text.match(/\{\w+\}/g) ?? [])].sort()
      t.ok(en !== '' && zh !== '' && /\p{Script=Han}|^Redis/u.test(zh), `${id} ${outcome}`)
      t.notMatch(en, /\p{Script=Han}/u, `${id} ${outcome}: English`)
      t.same(places(zh), places(en), `${id} ${outcome}: the same values in both`)
      if (status === 'failed' || status === 'warning') t.ok(advice && advice.en !== advice.zh, `${id} ${outcome}: what to do`)
      if (advice) t.match(advice.zh, /\p{Script=Han}/u, `${id} ${outcome}: what to do, in Chinese`)
    }
  }
  t.end()
})

t.test('the documentation lists exactly these checks', t => {
  for (const page of ['docs/going-live.md', 'docs/zh-CN/going-live.md']) {
    const listed = [...readFileSync(page, 'utf8').matchAll(/^\| `([a-z0-9]+\.[a-z0-9-]+)` \|/gm)].map(([, id]) => id)
    t.same([...listed].sort(), CHECKS.map(({ id }) => id).sort(), page)
  }
  t.end()
})
