/** `WECHAT_APP_ID=… WECHAT_APP_SECRET=… npx tsx examples/jssdk-only/server.ts` */
import { createApi } from './api.ts'

const { WECHAT_APP_ID: appId = '', WECHAT_APP_SECRET: appSecret = '', PORT = '3000' } = process.env
const app = await createApi({ appId, appSecret })
console.log(await app.listen({ port: Number(PORT) }))
