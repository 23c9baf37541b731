/**
 * Parses WeChat's JSON safely. `JSON.parse` rounds integers beyond 2^53 (a template message's `msgid` has 19
 * digits), and keeps a member `__proto__`, which a later copy would treat as a prototype.
 */

/**
 * Returns integers that a number cannot represent exactly as strings; everything else as `JSON.parse` does.
 * @throws SyntaxError if it is not JSON, or has a member `__proto__`
 */
export function parseJson (text: string): unknown {
  // Parse the original first: adding quotation marks must not turn invalid JSON into valid JSON.
  const value: unknown = JSON.parse(text)
  if (SUSPECT.test(text)) refuseProto(value)
  if (!LONG.test(text)) return value
  const marked = quoteUnsafe(text)
  return marked === undefined ? value : JSON.parse(marked)
}

/** A number with 16 digits or more, or part of a string that looks like one. Not an id in quotation marks, which is common and needs no change. */
const LONG = /(?:^|[[:,])\s*-?\d{16}/
/** Any letter of a name may be written as an escape. */
const SUSPECT = /__proto__|\\u/
const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const INTEGER = /^-?\d+$/

/** The same text with quotation marks around such integers; undefined if there are none. The text must be valid JSON. */
function quoteUnsafe (text: string): string | undefined {
  let marked = ''
  let copied = 0
  for (let at = 0; at < text.length;) {
    const char = text.charCodeAt(at)
    if (char === 0x22) {
      at = stringEnd(text, at + 1)
    } else if (char === 0x2d || (char >= 0x30 && char <= 0x39)) {
      NUMBER.lastIndex = at
      const digits = (NUMBER.exec(text) as RegExpExecArray)[0]
      if (digits.length > 15 && INTEGER.test(digits) && !Number.isSafeInteger(Number(digits))) {
        marked += `${text.slice(copied, at)}"${digits}"`
        copied = at + digits.length
      }
      at += digits.length
    } else {
      at++
    }
  }
  return copied === 0 ? undefined : marked + text.slice(copied)
}

/** The position after the string's closing quotation mark. */
function stringEnd (text: string, from: number): number {
  for (let at = from; ; at++) {
    const char = text.charCodeAt(at)
    if (char === 0x22) return at + 1
    if (char === 0x5c) at++
  }
}

function refuseProto (value: unknown): void {
  // Not recursive: WeChat's answers are flat, but an attacker's may be nested arbitrarily deep.
  const open = [value]
  while (open.length > 0) {
    const next = open.pop()
    if (next === null || typeof next !== 'object') continue
    if (Object.hasOwn(next, '__proto__')) throw new SyntaxError('has a member named __proto__')
    for (const member of Object.values(next)) open.push(member)
  }
}
