/** `npm run bench -- hostile`: the CPU time to refuse the worst notifications of 64 kB, the size limit. */
import { readV2Notification } from '../src/pay/v2/notification.ts'
import { checkMerchant } from '../src/pay/merchant.ts'
import { appId, merchant } from '../test/helpers/notification.ts'

const MOST = 64 * 1024
const checked = checkMerchant(merchant, 'https://api.mch.weixin.qq.com').v2!
const filled = (start: string, part: (number: number) => string, end = '') => {
  let text = start
  for (let number = 0; text.length + part(number).length + end.length <= MOST; number++) text += part(number)
  return text + end
}
const documents: Record<string, string> = {
  'nested elements': filled('<xml>', () => '<a>'),
  'unclosed brackets': filled('<xml>', () => '<'),
  'CDATA opened again and again': filled('<xml><a>', () => '<![CDATA['),
  'half ends of CDATA': filled('<xml><a><![CDATA[', () => ']]'),
  'known entities': filled('<xml><a>', () => '&lt;', '</a></xml>'),
  'unknown entities': filled('<xml><a>', () => '&a;', '</a></xml>'),
  ampersands: filled('<xml><a>', () => '&', '</a></xml>'),
  'references to entities': filled('<!DOCTYPE xml [<!ENTITY a "aaaaaaaaaa">]><xml><a>', () => '&a;', '</a></xml>'),
  'comments half open': filled('<xml>', () => '<!--'),
  blanks: filled('<xml>', () => ' '),
  'short fields': filled('<xml>', number => `<a${number}>1</a${number}>`, '</xml>'),
  'one field again and again': filled('<xml>', () => '<a>1</a>', '</xml>'),
  'one long field': filled('<xml><attach>', () => 'a', '</attach></xml>'),
  'a long name': filled('<xml><', () => 'a', '>1</a></xml>')
}

let worst = 0
for (const [name, text] of Object.entries(documents)) {
  const bytes = Buffer.from(text)
  const started = process.cpuUsage()
  try {
    readV2Notification(bytes, appId, checked)
    throw new TypeError(`${name}: accepted`)
  } catch (error) {
    if (error instanceof TypeError) throw error
  }
  const { user, system } = process.cpuUsage(started)
  const ms = (user + system) / 1000
  worst = Math.max(worst, ms)
  console.log(`${ms.toFixed(2).padStart(8)} ms of CPU  ${name}, ${bytes.length} bytes`)
}
console.log(`at most ${worst.toFixed(2)} ms, cold; the aim is 50 ms`)
