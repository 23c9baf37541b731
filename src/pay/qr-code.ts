/** Draws a QR code with the optional package `qrcode`, which the application installs if it needs images. */
import { WechatConfigError } from '../errors.ts'

interface QrCode {
  toString (text: string, options: { type: 'svg', margin: number }): Promise<string>
  toBuffer (text: string, options: { type: 'png', margin: number, width: number }): Promise<Buffer>
}

/** @throws WechatConfigError if `qrcode` is not installed */
export async function qrCode (text: string, kind: 'svg' | 'png'): Promise<string | Buffer> {
  // Not a literal, so that the compiler does not look for an optional package.
  const name = 'qrcode'
  const { default: draw } = await import(name).catch(() => {
    throw new WechatConfigError('qr', 'needs the package qrcode: npm install qrcode')
  }) as { default: QrCode }
  return kind === 'svg' ? await draw.toString(text, { type: 'svg', margin: 2 }) : await draw.toBuffer(text, { type: 'png', margin: 2, width: 400 })
}
