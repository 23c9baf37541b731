/** Route schemas for @fastify/swagger and others. They also serialize answers: a member that is not listed is not sent. */
import type { FastifySchema } from 'fastify'

const TAGS = ['wechat']
const text = (description: string) => ({ type: 'string', description })
const texts = (description: string) => ({ type: 'array', items: { type: 'string' }, description })
const described = (schema: object): FastifySchema => schema as FastifySchema

const ERROR = {
  description: 'Refused: `code` for programs, `message` for people.',
  type: 'object',
  properties: { statusCode: { type: 'integer' }, code: text('Such as WECHAT_INPUT.'), error: { type: 'string' }, message: { type: 'string' } },
  additionalProperties: true
}

const CONFIG = {
  description: 'The argument of wx.config.',
  type: 'object',
  properties: {
    appId: { type: 'string' },
    timestamp: { type: 'integer', description: 'Seconds since 1970.' },
    nonceStr: { type: 'string' },
    signature: { type: 'string' },
    jsApiList: texts('Functions that the page may call.'),
    openTagList: texts('Open tags that the page may use.'),
    debug: { type: 'boolean' }
  },
  required: ['appId', 'timestamp', 'nonceStr', 'signature', 'jsApiList']
}

const URL = { type: 'object', properties: { url: text('location.href of the page; the fragment is removed.') }, required: ['url'] }

export const JSSDK_GET = described({ tags: TAGS, summary: 'Sign a page for wx.config', querystring: URL, response: { 200: CONFIG, '4xx': ERROR } })
export const JSSDK_POST = described({ tags: TAGS, summary: 'Sign a page for wx.config', consumes: ['application/json', 'application/x-www-form-urlencoded'], body: URL, response: { 200: CONFIG, '4xx': ERROR } })

export const PAY = described({
  tags: TAGS,
  summary: 'Place the order of this request and sign the payment parameters',
  consumes: ['application/json', 'application/x-www-form-urlencoded'],
  body: { type: ['object', 'null'], description: 'Whatever your order() needs to find the order; amounts in it are ignored.', additionalProperties: true },
  response: {
    200: {
      description: 'JSAPI: the parameters of wx.chooseWXPay and WeixinJSBridge; otherwise the parameters of the way to pay.',
      type: 'object',
      properties: {
        appId: { type: 'string' },
        timeStamp: text('For WeixinJSBridge and mini programs.'),
        timestamp: text('The same, for wx.chooseWXPay.'),
        nonceStr: { type: 'string' },
        package: text('prepay_id=…'),
        signType: text('MD5, HMAC-SHA256 or RSA.'),
        paySign: { type: 'string' },
        codeUrl: text('NATIVE: the text of the QR code.'),
        h5Url: text('H5: the URL to redirect the browser to.')
      },
      additionalProperties: true
    },
    '4xx': ERROR,
    '5xx': ERROR
  }
})

export const AUTHORIZE = described({
  tags: TAGS,
  summary: 'Redirect the visitor to WeChat',
  querystring: { type: 'object', properties: { returnTo: text('A path of this site.'), scope: { type: 'string', enum: ['snsapi_base', 'snsapi_userinfo'] } } },
  response: { 302: { description: 'To WeChat.', type: 'null' }, '4xx': ERROR }
})
export const CALLBACK = described({
  tags: TAGS,
  summary: 'Callback from WeChat',
  querystring: { type: 'object', properties: { code: text('Valid for one exchange, for five minutes.'), state: text('The state of the login that this browser started.') } },
  response: { 302: { description: 'To returnTo, unless onLogin answers.', type: 'null' }, '4xx': ERROR }
})

export const MINI_PROGRAM_LOGIN = described({
  tags: TAGS,
  summary: 'Log in a visitor of the mini program',
  consumes: ['application/json'],
  body: { type: 'object', properties: { code: text('Of wx.login: good once, five minutes.') }, required: ['code'] },
  response: { 200: { description: 'The answer of onLogin: a session of your own, never WeChat\'s session_key.' }, 204: { description: 'onLogin answered nothing.', type: 'null' }, '4xx': ERROR, '5xx': ERROR }
})

export const AUTHORIZE_PLATFORM = described({
  tags: TAGS,
  summary: 'Send the owner of an account to WeChat, to authorize this platform',
  querystring: { type: 'object', properties: { returnTo: text('A path of this site.'), device: { type: 'string', enum: ['pc', 'phone'], description: 'Default: by the browser\'s user agent.' } } },
  response: { 302: { description: 'To WeChat.', type: 'null' }, '4xx': ERROR, '5xx': ERROR }
})
export const PLATFORM_CALLBACK = described({
  tags: TAGS,
  summary: 'Where WeChat sends the owner of an account back to',
  querystring: { type: 'object', properties: { auth_code: text('Redeemed once.'), expires_in: text('Seconds.'), state: text('Of the authorization that this browser began.') } },
  response: { 302: { description: 'To returnTo, unless onReturn answers.', type: 'null' }, '4xx': ERROR, '5xx': ERROR }
})
export const PLATFORM_EVENTS = described({ tags: TAGS, summary: 'Called by WeChat: tickets of a third-party platform, authorizations and withdrawals', consumes: ['text/xml'], description: 'Verified, decrypted, handled once, and answered after it was handled.' })

/** These routes only refuse. */
export const HIDDEN = described({ hide: true })

const MESSAGES = ['text/xml', 'application/xml', 'application/json']
export const NOTIFY = described({ tags: TAGS, summary: 'For WeChat: payments, refunds and other events', consumes: MESSAGES, description: 'Verified, handled once, and answered after it was handled.' })
export const NATIVE = described({ tags: TAGS, summary: 'For WeChat: the order of a scanned product (NATIVE mode 1)', consumes: ['text/xml'] })
