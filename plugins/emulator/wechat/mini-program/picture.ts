/** A valid PNG that looks like a code. Its pattern is derived from the content, but scanners cannot read it. */
import { createHash } from 'node:crypto'
import { crc32, deflateSync } from 'node:zlib'

const CELLS = 29
const QUIET = 2

/** `width`: pixels, 280 to 1280 as in WeChat's calls. */
export function codePicture (text: string, width = 430): Buffer {
  const side = Math.max(280, Math.min(1280, width))
  const bits = Buffer.concat(Array.from({ length: 4 }, (_none, at) => createHash('sha256').update(`${at}/${text}`).digest()))
  const isDark = (x: number, y: number) => {
    // The three finder patterns.
    for (const [left, top] of [[0, 0], [CELLS - 7, 0], [0, CELLS - 7]] as const) {
      const [dx, dy] = [Math.abs(x - left - 3), Math.abs(y - top - 3)]
      const far = Math.max(dx, dy)
      if (far <= 4) return far <= 1 || far === 3
    }
    const at = y * CELLS + x
    return ((bits[(at >> 3) % bits.length] as number) >> (at & 7) & 1) === 1
  }
  const cell = side / (CELLS + 2 * QUIET)
  const rows = Buffer.alloc((side + 1) * side, 255)
  for (let y = 0; y < side; y++) {
    rows[y * (side + 1)] = 0
    for (let x = 0; x < side; x++) {
      const [column, row] = [Math.floor(x / cell) - QUIET, Math.floor(y / cell) - QUIET]
      if (column >= 0 && row >= 0 && column < CELLS && row < CELLS && isDark(column, row)) rows[y * (side + 1) + 1 + x] = 0
    }
  }
  const head = Buffer.alloc(13)
  head.writeUInt32BE(side, 0)
  head.writeUInt32BE(side, 4)
  // 8-bit greyscale.
  head.set([8, 0, 0, 0, 0], 8)
  return Buffer.concat([Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]), chunk('IHDR', head), chunk('IDAT', deflateSync(rows)), chunk('IEND', Buffer.alloc(0))])
}

function chunk (name: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(name), data])
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)]
  length.writeUInt32BE(data.length)
  sum.writeUInt32BE(crc32(body))
  return Buffer.concat([length, body, sum])
}
