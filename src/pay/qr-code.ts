/** Draws a QR code with the package `qrcode`, which hosts that want pictures install themselves. */
import { WechatConfigError } from '../errors.ts'

interface QrCode {
  toString (text: string, options: { type: 'svg', margin: number }): Promise<string>
  toBuffer (text: string, options: { type: 'png', margin: number, width: number }): Promise<Buffer>
}

/** @throws WechatConfigError where `qrcode` is not installed */
export async function qrCode (text: string, kind: 'svg' | 'png'): Promise<string | Buffer> {
  // Not a literal: the compiler shall not look for a package that need not be there.
  const name = 'qrcode'
  const { default: draw } = await import(name).catch(() => {
    throw new WechatConfigError('qr', 'needs the package qrcode: npm install qrcode')
  }) as { default: QrCode }
  return kind === 'svg' ? await draw.toString(text, { type: 'svg', margin: 2 }) : await draw.toBuffer(text, { type: 'png', margin: 2, width: 400 })
}
