/** Image and video uploads. Only `meta` is signed; the file must match its sha256. */
import { hashOf } from './area.ts'
import type { V3Area } from './area.ts'
import { readUpload } from './multipart.ts'
import type { V3Call } from './check-request.ts'
import { text } from './shape.ts'
import type { Json } from './shape.ts'
import { refuse } from './wire.ts'
import type { V3Error } from './wire.ts'

const MEGABYTE = 1 << 20
const PICTURE = { most: 2 * MEGABYTE, name: /\.(?:jpg|jpeg|bmp|png)$/i }
const VIDEO = { most: 5 * MEGABYTE, name: /\.(?:avi|wmv|mpeg|mp4|mov|mkv|flv|f4v|m4v|rmvb)$/i }

export function uploaded ({ request }: V3Call, { most, name: pattern }: typeof PICTURE = PICTURE): Buffer | V3Error {
  const upload = readUpload(request)
  let meta: Json
  try {
    meta = JSON.parse(upload?.meta ?? '') as Json
  } catch {
    return refuse(400, 'PARAM_ERROR', '上传请求缺少meta')
  }
  const { file = Buffer.alloc(0) } = upload ?? {}
  if (file.length === 0) return refuse(400, 'PARAM_ERROR', '上传文件为空')
  if (!pattern.test(text(meta.filename))) return refuse(400, 'PARAM_ERROR', '文件格式不支持')
  if (file.length > most) return refuse(400, 'PARAM_ERROR', '文件大小超出限制')
  return hashOf('sha256', file) === meta.sha256 ? file : refuse(400, 'PARAM_ERROR', '文件摘要与内容不一致')
}

export function v3Media ({ route, state }: V3Area): void {
  route('POST', '/v3/merchant/media/upload', call => {
    const file = uploaded(call)
    return Buffer.isBuffer(file) ? { media_id: state.random.hex(32) } : file
  })
  route('POST', '/v3/merchant/media/video_upload', call => {
    const file = uploaded(call, VIDEO)
    return Buffer.isBuffer(file) ? { media_id: state.random.hex(32) } : file
  })
  route('POST', '/v3/marketing/favor/media/image-upload', call => {
    const file = uploaded(call)
    return Buffer.isBuffer(file) ? { media_url: `https://qpic.cn/${state.random.hex(8)}` } : file
  })
}
