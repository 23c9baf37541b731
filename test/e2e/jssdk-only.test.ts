import { spawnSync } from 'node:child_process'
import t from 'tap'
import { createApi } from '../../examples/jssdk-only/api.ts'
import { unwatched } from '../helpers/unwatched.ts'
import { testEmulator } from '../helpers/account.ts'

t.test('an existing API with the JS-SDK route added', async t => {
  const { config } = await testEmulator(t)
  const app = await createApi(config)
  t.teardown(() => app.close())
  t.match((await app.inject('/articles')).json(), [{ id: 1 }])
  t.match((await app.inject({ url: '/api/wechat/jssdk?url=https://shop.test/', headers: { host: 'shop.test' } })).json(), { appId: config.appId, jsApiList: ['updateAppMessageShareData', 'updateTimelineShareData'] })
})

t.test('started without its environment it says what is missing', async t => {
  const { status, stderr } = spawnSync('env', unwatched(process.execPath, ['--import', 'tsx', 'examples/jssdk-only/server.ts']), { cwd: new URL('../../', import.meta.url), encoding: 'utf8', env: { ...process.env, WECHAT_APP_ID: '' } })
  t.equal(status, 1)
  t.match(stderr, /option appId is required/)
})
