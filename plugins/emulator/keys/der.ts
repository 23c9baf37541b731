/** A DER (X.690) encoder for the types that certificates and PKCS#12 need. */

export function der (tag: number, parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  const size = body.length
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : size < 0x10000 ? [0x82, size >> 8, size & 0xff] : [0x83, size >> 16, (size >> 8) & 0xff, size & 0xff]
  return Buffer.concat([Buffer.from([tag, ...length]), body])
}

export const sequence = (parts: readonly Buffer[]) => der(0x30, parts)
export const integer = (bytes: Buffer) => der(0x02, [bytes])
export const octets = (bytes: Buffer) => der(0x04, [bytes])
// The first byte is the number of unused bits.
export const bitString = (bytes: Buffer) => der(0x03, [Buffer.from([0]), bytes])
export const NULL = der(0x05, [])
export const TRUE = der(0x01, [Buffer.from([0xff])])

export function oid (dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  const bytes = [first * 40 + second, ...rest.flatMap(number => {
    const digits = [number & 0x7f]
    for (let left = number >> 7; left > 0; left >>= 7) digits.unshift((left & 0x7f) | 0x80)
    return digits
  })]
  return der(0x06, [Buffer.from(bytes)])
}

export const set = (parts: readonly Buffer[]) => der(0x31, parts)
