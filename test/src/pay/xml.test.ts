import fc from 'fast-check'
import { XMLBuilder, XMLParser, XMLValidator } from 'fast-xml-parser'
import t from 'tap'
import { writeXml } from '../../../src/pay/v2/write-xml.ts'
import { createShape, readXml, sortedNames } from '../../../src/pay/v2/xml.ts'

const read = (text: string, root?: string) => ({ ...readXml(Buffer.from(text), root) })

t.test('genuine documents are read exactly', async t => {
  const genuine: Array<[string, string, Record<string, string>]> = [
    ['ids stay strings', '<xml><transaction_id>4200000000202001011234567890</transaction_id><a>0012</a><b>1e5</b></xml>', { transaction_id: '4200000000202001011234567890', a: '0012', b: '1e5' }],
    ['CDATA or not, pretty-printed or not', '<xml>\n <a><![CDATA[x]]></a>\n\t<b>y</b>\n</xml>\n', { a: 'x', b: 'y' }],
    ['whitespace is kept', '<xml><a> x </a><b><![CDATA[ ]]></b></xml>', { a: ' x ', b: ' ' }],
    ['empty elements', '<xml><a></a><b/></xml>', { a: '', b: '' }],
    ['entities', '<xml><a>&lt;&amp;&gt;&quot;&apos;&#65;&#x42;&#x1F600;</a></xml>', { a: '<&>"\'AB\u{1F600}' }],
    ['no entities in CDATA', '<xml><a><![CDATA[&amp; a=1&b=2 <b>]]></a></xml>', { a: '&amp; a=1&b=2 <b>' }],
    [']]> split over two sections', '<xml><a><![CDATA[x]]]]><![CDATA[>y]]></a></xml>', { a: 'x]]>y' }],
    ['a DOCTYPE inside CDATA', '<xml><a><![CDATA[<!DOCTYPE x>]]></a></xml>', { a: '<!DOCTYPE x>' }],
    ['Chinese and emoji', '<xml><a><![CDATA[咖啡☕️]]></a></xml>', { a: '咖啡☕️' }],
    ['a declaration', '<?xml version="1.0" encoding="UTF-8"?>\n<xml><a>1</a></xml>', { a: '1' }]
  ]
  for (const [name, text, expected] of genuine) t.same(read(text), expected, name)
  t.same(read('<root><a>1</a></root>', 'root'), { a: '1' }, 'inside a refund notification')
  t.equal(readXml(Buffer.from('<xml><a>1</a></xml>')).toString, undefined, 'a name that was not sent is undefined')
})

t.test('hostile documents are refused, even if they are signed', async t => {
  const hostile: Record<string, string | Buffer> = {
    'external entity': '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><xml><a>&e;</a></xml>',
    'internal entity': '<!DOCTYPE x [<!ENTITY e "1">]><xml><a>&e;</a></xml>',
    'entity bomb': '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><xml><a>&b;</a></xml>',
    'parameter entity': '<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1/x"> %p;]><xml><a>1</a></xml>',
    'bare DOCTYPE': '<!DOCTYPE xml><xml><a>1</a></xml>',
    'DOCTYPE after the root': '<xml><a>1</a></xml><!DOCTYPE x>',
    'unknown entity': '<xml><a>&e;</a></xml>',
    'an empty entity': '<xml><a>&;</a></xml>',
    'an ampersand alone': '<xml><a>a & b</a></xml>',
    'a control character by number': '<xml><a>&#0;</a></xml>',
    'a surrogate by number': '<xml><a>&#xD800;</a></xml>',
    'a number beyond Unicode': '<xml><a>&#x110000;</a></xml>',
    'duplicate fields': '<xml><sign>A</sign><sign>B</sign></xml>',
    'nested fields': '<xml><a><b>1</b></a></xml>',
    'a field inside text': '<xml><a>1<b/>2</a></xml>',
    'two roots': '<xml><a>1</a></xml><xml><a>2</a></xml>',
    'no root': '',
    blank: '  \n ',
    'another root': '<html><a>1</a></html>',
    'root with an attribute': '<xml k="1"><a>1</a></xml>',
    'field with an attribute': '<xml><a k="1">1</a></xml>',
    comment: '<xml><!-- x --><a>1</a></xml>',
    'comment inside a value': '<xml><a>1<!-- x -->2</a></xml>',
    'processing instruction': '<xml><?php x ?><a>1</a></xml>',
    'declared as another encoding': '<?xml version="1.0" encoding="GBK"?><xml><a>1</a></xml>',
    'prototype name': '<xml><__proto__>1</__proto__></xml>',
    constructor: '<xml><constructor>1</constructor></xml>',
    'a name the parser changes': '<xml><hasOwnProperty>1</hasOwnProperty></xml>',
    'a name with a colon': '<xml><a:b>1</a:b></xml>',
    'text between fields': '<xml>x<a>1</a></xml>',
    'CDATA between fields': '<xml><![CDATA[x]]><a>1</a></xml>',
    'text after the root': '<xml><a>1</a></xml>tail',
    'text before the root': 'x<xml><a>1</a></xml>',
    'crossed tags': '<xml><a>1</b></xml>',
    'missing end': '<xml><a>1',
    'missing end of a field': '<xml><a>1</xml>',
    'open CDATA': '<xml><a><![CDATA[1</a></xml>',
    'plain text': 'hello',
    JSON: '{"a":1}',
    'an HTML page': '<!doctype html><html><body>502</body></html>',
    '20,000 nested tags': '<xml>' + '<a>'.repeat(5000) + '</a>'.repeat(5000) + '</xml>',
    'more fields than WeChat has': '<xml>' + Array.from({ length: 400 }, (_, at) => `<f${at}>1</f${at}>`).join('') + '</xml>',
    'more empty fields than WeChat has': '<xml>' + Array.from({ length: 400 }, (_, at) => `<f${at}/>`).join('') + '</xml>',
    'more than 64 kB': '<xml><a>' + 'x'.repeat(65536) + '</a></xml>',
    'a byte-order mark': '\uFEFF<xml><a>1</a></xml>',
    'UTF-16': Buffer.from('<xml><a>1</a></xml>', 'utf16le'),
    'a control character': '<xml><a>\u0001</a></xml>',
    'a control character in CDATA': '<xml><a><![CDATA[\u0001]]></a></xml>',
    'an end of CDATA without its beginning': '<xml><a>x]]>y</a></xml>',
    'a tag with blanks': '<xml><a >1</a></xml>',
    'an empty root': '<xml/>',
    'broken UTF-8': Buffer.concat([Buffer.from('<xml><a>'), Buffer.from([0xe5, 0x92]), Buffer.from('</a></xml>')])
  }
  for (const [name, document] of Object.entries(hostile)) t.throws(() => readXml(Buffer.from(document)), { name: 'Error' }, name)
})

t.test('a document truncated at any byte is refused', async t => {
  const whole = Buffer.from('<xml><a><![CDATA[咖啡]]></a><b>1</b></xml>')
  for (let end = 0; end < whole.length; end++) t.throws(() => readXml(whole.subarray(0, end)), `${end} bytes`)
})

t.test('P3 written documents are read back unchanged', async t => {
  const attack = ']]></body><total_fee>1</total_fee><body>'
  t.same(read(writeXml({ body: attack, total_fee: '100' })), { body: attack, total_fee: '100' })
  t.equal(writeXml({ body: attack }).split('<total_fee>').length, 1, 'no second element is parsed')
  const text = fc.string({ unit: 'binary', maxLength: 60 }).filter(text => !/[\u0000-\u001f\u007f\ufffe\uffff]/.test(text))
  fc.assert(fc.property(fc.dictionary(fc.stringMatching(/^[a-z][a-z0-9_]{0,20}$/).filter(name => !(name in {})), text, { minKeys: 1 }), fields => {
    t.same(read(writeXml(fields)), { ...fields })
  }), { numRuns: 200 })
})

t.test('a second writer: fast-xml-parser writes the same', async t => {
  const builder = new XMLBuilder({ processEntities: true })
  const name = fc.stringMatching(/^[a-z][a-z0-9_]{0,20}$/).filter(name => !(name in {}))
  fc.assert(fc.property(fc.dictionary(name, fc.oneof(fc.string({ unit: 'grapheme' }), fc.stringMatching(/^[<>&"' a]{0,12}$/)), { minKeys: 1 }), fields => {
    t.equal(writeXml(fields), builder.build({ xml: { ...fields } }))
  }), { numRuns: 200 })
})

t.test('whatever names the last message had, this one is read as if it were the first', async t => {
  const name = fc.constantFrom('appid', 'attach', 'a', 'ab', 'a_b', 'bank_type', 'sign', 'toString', '__proto__')
  const field = fc.tuple(name, fc.constantFrom('', '1', '<![CDATA[x]]>', '<b>1</b>')).map(([name, value]) => value === '' ? `<${name}/>` : `<${name}>${value}</${name}>`)
  const document = fc.tuple(fc.array(field, { maxLength: 6 }), fc.constantFrom('</xml>', '', '</xml>x')).map(([fields, end]) => Buffer.from(`<xml>${fields.join('\n')}${end}`))
  fc.assert(fc.property(fc.array(document, { minLength: 2, maxLength: 6 }), documents => {
    const shape = createShape()
    for (const bytes of documents) {
      const alone = outcome(() => readXml(bytes))
      t.same(outcome(() => readXml(bytes, 'xml', shape)), alone)
      if (alone instanceof Error) continue
      t.same(shape.names, Object.keys(alone))
      t.same(sortedNames(shape), Object.keys(alone).sort())
    }
  }), { numRuns: 300 })
})

function outcome (read: () => Record<string, string>): Record<string, string> | Error {
  try {
    return { ...read() }
  } catch (error) {
    return error as Error
  }
}

t.test('fast-xml-parser reads accepted documents the same way', async t => {
  const parser = new XMLParser({ parseTagValue: false, trimValues: false, ignoreDeclaration: true })
  const name = fc.stringMatching(/^[a-z][a-z0-9_]{0,10}$/).filter(name => !(name in {}))
  const cdata = fc.string({ unit: 'grapheme', maxLength: 20 }).map(text => `<![CDATA[${text.replaceAll(']]>', ']]]]><![CDATA[>')}]]>`)
  const plain = fc.string({ unit: 'grapheme', maxLength: 20 }).map(text => text.replace(/[&<>"']/g, char => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', '\'': '&apos;' })[char] as string))
  const document = fc.dictionary(name, fc.oneof(cdata, plain), { minKeys: 1, maxKeys: 12 })
  let compared = 0
  fc.assert(fc.property(document, fields => {
    const text = `<xml>${Object.entries(fields).map(([name, value]) => `<${name}>${value}</${name}>`).join('')}</xml>`
    if (!XMLValidator.validate(text)) return
    const theirs = parser.parse(text).xml as Record<string, string>
    compared++
    t.same(read(text), { ...theirs })
  }), { numRuns: 300 })
  t.ok(compared > 200)
})

t.test('any bytes: fields or a refusal', async t => {
  const piece = fc.constantFrom('<xml>', '</xml>', '<a>', '</a>', '<b/>', '<![CDATA[', ']]>', '&amp;', '&', '<', '>', 'x', ' ', '<!--', '-->', '<?', '\u0000', '咖')
  fc.assert(fc.property(fc.array(piece, { maxLength: 40 }), pieces => {
    try {
      read(pieces.join(''))
    } catch (error) {
      t.equal((error as Error).name, 'Error')
    }
  }), { numRuns: 500 })
  // Input that is quadratic for naive parsers.
  for (const part of [']]>', '<![CDATA[', '<a>', '&amp;', '<![CDATA[]]>']) t.throws(() => read(`<xml><a>${part.repeat(60_000 / part.length)}`), part)
})
