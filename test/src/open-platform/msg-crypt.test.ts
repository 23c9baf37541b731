/** Checked against Tencent's sample and the tests of wechatpy and EasyWeChat. */
import t from 'tap'
import { createMsgCrypt } from '../../../src/open-platform/msg-crypt.ts'
import { readXml } from '../../../src/pay/v2/xml.ts'
import { encrypt, PLATFORM, signatureOf } from '../../helpers/push.ts'

/** `signature`: as published, otherwise created by the helper. */
interface Vector { source: string, token: string, key: string, receiver: string, timestamp: string, nonce: string, encrypted: string, signature?: string, text?: string, fields?: Record<string, string> }

const VECTORS: Vector[] = [
  {
    source: 'WXBizMsgCryptTest.java of Tencent\'s cryptoDemo, random text aaaabbbbccccdddd',
    token: 'pamtest',
    key: 'abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG',
    receiver: 'wxb11529c136998cb6',
    timestamp: '1409304348',
    nonce: 'xxxxxx',
    encrypted: 'jn1L23DB+6ELqJ+6bruv21Y6MD7KeIfP82D6gU39rmkgczbWwt5+3bnyg5K55bgVtVzd832WzZGMhkP72vVOfg==',
    text: '我是中文abcd123'
  },
  {
    source: 'wechatpy tests/test_crypto.py: test_decrypt_message',
    token: '123456',
    key: 'kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR',
    receiver: 'wx49f0ab532d5d035a',
    timestamp: '1411525903',
    nonce: '461056294',
    signature: '74d92dfeb87ba7c714f89d98870ae5eb62dff26d',
    encrypted: 'RgqEoJj5A4EMYlLvWO1F86ioRjZfaex/gePD0gOXTxpsq5Yj4GNglrBb8I2BAJVODGajiFnXBu7mCPatfjsu6IHCrsTyeDXzF6Bv283dGymzxh6ydJRvZsryDyZbLTE7rhnus50qGPMfp2wASFlzEgMW9z1ef/RD8XzaFYgm7iTdaXpXaG4+BiYyolBug/gYNx410cvkKR2/nPwBiT+P4hIiOAQqGp/TywZBtDh1yCF2KOd0gpiMZ5jSw3e29mTvmUHzkVQiMS6td7vXUaWOMZnYZlF3So2SjHnwh4jYFxdgpkHHqIrH/54SNdshoQgWYEvccTKe7FS709/5t6NMxuGhcUGAPOQipvWTT4dShyqio7mlsl5noTrb++x6En749zCpQVhDpbV6GDnTbcX2e8K9QaNWHp91eBdCRxthuL0=',
    fields: { Content: 'test', FromUserName: 'messense' }
  },
  {
    source: 'wechatpy tests/test_crypto.py: test_encrypt_message, random text 1234567890123456',
    token: '123456',
    key: 'kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR',
    receiver: 'wx49f0ab532d5d035a',
    timestamp: '1411525903',
    nonce: '461056294',
    signature: '407518b7649e86ef23978113f92d27afa9296533',
    encrypted: '9s4gMv99m88kKTh/H8IdkOiMg6bisoy3ypwy9H4hvSPe9nsGaqyw5hhSjdYbcrKk+j3nba4HMOTzHrluLBYqxgNcBqGsL8GqxlhZgURnAtObvesEl5nZ+uBE8bviY0LWke8Zy9V/QYKxNV2FqllNXcfmstttyIkMKCCmVbCFM2JTF5wY0nFhHZSjPUL2Q1qvSUCUld+/WIXrx0oyKQmpB6o8NRrrNrsDf03oxI1p9FxUgMnwKKZeOA/uu+2IEvEBtb7muXsVbwbgX05UPPJvFurDXafG0RQyPR+mf1nDnAtQmmNOuiR5MIkdQ39xn1vWwi1O5oazPoQJz0nTYjxxEE8kv3kFxtAGVRe3ypD3WeK2XeFYFMNMpatF9XiKzHo3',
    fields: { MsgType: 'text', Content: 'test', CreateTime: '1411525903', AgentID: '1' }
  },
  {
    source: 'EasyWeChat tests/Kernel/EncryptorTest.php: testDecrypt',
    token: 'pamtest',
    key: 'abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG',
    receiver: 'wxb11529c136998cb6',
    timestamp: '1458300676',
    nonce: '260774613',
    signature: '4f3ad57b6989f09f4eb392acce4f9e93942ed890',
    encrypted: 'rTNFcsut4LfGuAFKEUVVpwcaCOTJzOd9twZdIW910jb3k+iicx2uvhttIZ3Qg9Qgty3BEF2xbOrz6boTfb30dMomcgrkTqdFPwnhqbk+kIQ7rZiwny9D7NUrTgA5kpX3KsZvrXzUZyP2x9YOlxbgm572lmxKvM7HAQQhIQ/p6HBmoY30bGXFK0BtIu1pW9TjhOYrLQoU18nWYjWqDA1ynkmOytpv7QRI1P1+0NoxL0q2zO1DgeSvnE8CZGo/o5Ap/WHK5W2RAsinpzN4/LjPnmB6U01I5XCoJoC0GK/yMZycd2Oh8Nq6+wBkC1U85oy0ktOY4nLvsQMLrourmMGdZHuTbqpeJ8Ao/5PRYJ+WBvRUwPfGKBL2+2IKZF49vAJqkcGWSHGE76ZN2erXeuNazf/o9o3lIE3q739o4c8t9QGPe31GT2Go/rOz1BsrASwvauNulCh+++yz+CQzBIuikA==',
    fields: { ToUserName: 'asdasdasd', FromUserName: 'asdasdasdsadasd', CreateTime: '1234567898', Content: 'hello' }
  }
]

t.test('published messages are decrypted, and their signatures accepted', async t => {
  for (const { source, token, key, receiver, timestamp, nonce, encrypted, signature = signatureOf(token, timestamp, nonce, encrypted), text, fields } of VECTORS) {
    const push = { timestamp, nonce, encrypted, signature }
    const crypt = createMsgCrypt({ token, encodingAesKeys: [PLATFORM.encodingAesKey, key], receiverId: receiver })
    const opened = crypt.open(push)
    if (text !== undefined) t.equal(opened.toString(), text, source)
    // EasyWeChat's document is not strictly valid: its tests parse leniently.
    if (fields && source.startsWith('wechatpy')) t.match({ ...readXml(opened) }, fields, source)
    else if (fields) for (const [name, value] of Object.entries(fields)) t.match(opened.toString(), new RegExp(`<${name}>(?:<!\\[CDATA\\[)?${value}`), `${source}: ${name}`)
    for (const wrong of [{ ...push, nonce: `${nonce}1` }, { ...push, signature: signature.replace(/^./, first => first === '0' ? '1' : '0') }, { ...push, signature: signature.slice(1) }, { ...push, signature: '' }]) {
      t.throws(() => crypt.open(wrong), { code: 'WECHAT_NOTIFICATION', statusCode: 401, message: /signature/ }, source)
    }
    const foreign = createMsgCrypt({ token, encodingAesKeys: [key], receiverId: `${receiver.slice(0, -1)}0` })
    t.throws(() => foreign.open(push), { message: /another receiver/ }, `${source}: another receiver`)
    t.throws(() => createMsgCrypt({ token, encodingAesKeys: [key], receiverId: receiver.slice(1) }).open(push), { code: 'WECHAT_NOTIFICATION' }, 'also not a suffix of its id')
  }
  // The helper used by other tests gives the same result.
  const [tencent] = VECTORS as [Vector]
  t.equal(encrypt(tencent.text as string, { encodingAesKey: tencent.key, receiver: tencent.receiver, random: Buffer.from('aaaabbbbccccdddd') }), tencent.encrypted)
})

t.test('texts of every length, for every amount of padding', async t => {
  const crypt = createMsgCrypt({ token: PLATFORM.token, encodingAesKeys: [PLATFORM.encodingAesKey], receiverId: PLATFORM.componentAppId })
  const open = (encrypted: string) => crypt.open({ timestamp: '1', nonce: 'n', encrypted, signature: signatureOf(PLATFORM.token, '1', 'n', encrypted) })
  for (let size = 0; size < 70; size++) t.equal(open(encrypt('x'.repeat(size))).length, size)
  for (const [name, encrypted] of Object.entries({
    empty: '',
    'no base64': `${encrypt('abc').slice(0, -4)}****`,
    'base64 with a blank': ` ${encrypt('abc')}`,
    'half a block': Buffer.from(encrypt('abc'), 'base64').subarray(0, 48).toString('base64'),
    'first block cut off': Buffer.from(encrypt('x'.repeat(60)), 'base64').subarray(32).toString('base64'),
    'padding of nought': encrypt('abc', { padding: short => Buffer.alloc(short) }),
    'padding too long': encrypt('abc', { padding: short => Buffer.alloc(short, short + 32) }),
    'padding of other bytes': encrypt('abcde', { padding: short => Buffer.concat([Buffer.alloc(short - 1, 7), Buffer.from([short])]) }),
    'length one more': encrypt('abc', { length: 4 }),
    'length one less': encrypt('abc', { length: 2 }),
    'length of the earth': encrypt('abc', { length: 0xffffffff }),
    'another receiver': encrypt('abc', { receiver: 'wx00c0ffee00c0ffef' }),
    'no receiver': encrypt('abc', { receiver: '' }),
    'another key': encrypt('abc', { encodingAesKey: 'z'.repeat(43) }),
    'plain text': Buffer.from('<xml><AppId>wx00c0ffee00c0ffee</AppId></xml>'.padEnd(64)).toString('base64')
  })) t.throws(() => open(encrypted), { code: 'WECHAT_NOTIFICATION', statusCode: 401 }, name)
})
