import * as crypto from 'node:crypto'
import t from 'tap'
import { jssdkConfig, pageHost, signJssdk, withoutFragment } from '../../src/official-account/jssdk.ts'

t.test('J2 the query is kept byte for byte, the fragment removed', async t => {
  for (const url of ['https://shop.test/a?b=c%20d&e=%E5%92%96&amp;f', 'https://shop.test/?a=咖啡', 'https://shop.test', 'https://shop.test/a?back=\\x']) {
    const { signature, nonceStr, timestamp } = jssdkConfig('wx1', 'ticket', `${url}#/route?x=1`)
    t.equal(signature, crypto.createHash('sha1').update(`jsapi_ticket=ticket&noncestr=${nonceStr}&timestamp=${timestamp}&url=${url}`).digest('hex'))
    t.equal(withoutFragment(`${url}#`), url)
  }
})

t.test('J3 returns exactly the parameters of wx.config', async t => {
  t.same(Object.keys(jssdkConfig('wx1', 'ticket', 'https://shop.test/')).sort(), ['appId', 'jsApiList', 'nonceStr', 'signature', 'timestamp'])
  t.match(jssdkConfig('wx1', 'ticket', 'https://shop.test/', { jsApiList: ['scanQRCode'], openTagList: ['wx-open-launch-app'], debug: true }),
    { appId: 'wx1', jsApiList: ['scanQRCode'], openTagList: ['wx-open-launch-app'], debug: true })
})

t.test('J1 the host of a page, or undefined', async t => {
  const good: Record<string, string> = {
    'https://shop.test': 'shop.test',
    'http://Shop.Test:8080/a/b?c#d': 'shop.test:8080',
    'https://127.0.0.1?x': '127.0.0.1',
    'https://[::1]:3000/': '[::1]:3000',
    'https://xn--fiq228c.test/#': 'xn--fiq228c.test'
  }
  for (const [url, host] of Object.entries(good)) t.equal(pageHost(url), host, url)
  const bad = ['', 'shop.test', '//shop.test/', 'javascript:alert(1)//shop.test', 'file:///etc/passwd', 'https://user@shop.test/', 'https://evil.test\\@shop.test/', 'https://shop.test\\evil', 'https://shop.test./', 'https://shop.test\t/', 'https://sh\top.test/', 'https://shop.test/\n', 'https://shop.test/a b', ' https://shop.test/', 'https:/shop.test/', 'https:shop.test', 'https://', 'https:///x', 'https://shop.test:x/', 'https://shop.test:123456/', 'https://商店.test/', 'https://shop.test%2eevil/', 'https://shop.test/\u0000', 'https://shop.test\\/x']
  for (const url of bad) t.equal(pageHost(url), undefined, JSON.stringify(url))
})

t.test('the signature is the same without crypto.hash', async t => {
  const input = { jsapi_ticket: 't', noncestr: 'n', timestamp: 1, url: 'https://shop.test/' }
  const { signJssdk: older } = await t.mockImport<{ signJssdk: typeof signJssdk }>('../../src/official-account/jssdk.ts', { 'node:crypto': { ...crypto, hash: undefined } })
  t.equal(older(input), signJssdk(input))
})
