/**
 * The text of a bill: a line of column names, the rows, a second line of names, the totals. Every value follows a
 * back-tick, so rows are split at ",`" and a product's name may contain a comma. Read as a stream, in constant memory.
 */
import { createHash } from 'node:crypto'
import { pipeline, Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { WechatReplyError } from '../errors.ts'

export interface BillSource {
  /** The call's name in errors. */
  name: string
  /** Calls WeChat when reading begins. `sha1`: the expected hash (hex) of the whole uncompressed text. */
  open (): Promise<{ body: AsyncIterable<Buffer>, sha1?: string }>
  gzip: boolean
  /** Maximum size of the uncompressed text in bytes. */
  maxBytes: number
}

/** A row's values by WeChat's column names. */
export type TableRow = Readonly<Record<string, string>>

/** Enough for a few million rows; can be raised by option. */
export const MAX_BILL_BYTES = 4 * 1024 ** 3

const MAX_LINE = 64 * 1024

/** Adjacent columns with free text from payers and merchants: only they can contain something that looks like the next value. */
const FREE_TEXT = ['商品名称', '商户数据包'] as const

/** Yields the rows and returns the totals. @throws WechatReplyError if the text is incomplete */
export async function * readTable (source: BillSource): AsyncGenerator<TableRow, TableRow> {
  const broken = (why: string) => new WechatReplyError(source.name, `the bill ${why}`)
  let columns: string[] | undefined
  let totals: string[] | undefined
  let summary: TableRow | undefined

  for await (const line of linesOf(source)) {
    if (line === '') continue
    if (summary) throw broken('continues after its totals')
    if (!line.startsWith('`')) {
      if (totals) throw broken('has a third line of names')
      if (columns) totals = line.split(',')
      else columns = line.split(',')
      continue
    }
    const cells = line.slice(1).split(',`')
    if (totals) {
      if (cells.length !== totals.length) throw broken('has totals without names')
      summary = record(totals, cells)
    } else {
      const row = columns && fit(columns, cells)
      if (!row) throw broken('has a row that does not match its column names')
      yield row
    }
  }
  // Only this line distinguishes a complete stream from a truncated one.
  if (!summary) throw broken('ends without its totals')
  return summary
}

function record (names: readonly string[], cells: readonly string[]): TableRow {
  const row: Record<string, string> = {}
  for (let at = 0; at < names.length; at++) row[(names[at] as string).trim()] = (cells[at] as string).trim()
  return row
}

function fit (columns: readonly string[], cells: string[]): TableRow | undefined {
  const surplus = cells.length - columns.length
  if (surplus === 0) return record(columns, cells)
  const at = columns.indexOf(FREE_TEXT[0])
  // Someone wrote ",`" into a name or an attachment: the amounts to the left and right of these columns are still in place.
  if (surplus < 0 || at === -1 || columns[at + 1] !== FREE_TEXT[1]) return undefined
  const written = cells.splice(at, surplus + 2)
  return record(columns, [...cells.slice(0, at), written.slice(0, -1).join(',`'), written.at(-1) as string, ...cells.slice(at)])
}

async function * linesOf (source: BillSource): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8')
  const broken = (why: string) => new WechatReplyError(source.name, `the bill ${why}`)
  let size = 0
  let rest = ''
  const { body, sha1 } = await source.open()
  const hash = sha1 === undefined ? undefined : createHash('sha1')
  for await (const chunk of source.gzip ? unpacked(body, broken) : body) {
    size += chunk.length
    if (size > source.maxBytes) throw broken('is larger than allowed')
    hash?.update(chunk)
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() as string
    if (rest.length > MAX_LINE) throw broken('does not consist of lines')
    for (const line of lines) yield line.endsWith('\r') ? line.slice(0, -1) : line
  }
  const last = rest + decoder.decode()
  if (last !== '') yield last
  if (hash && hash.digest('hex') !== sha1?.toLowerCase()) throw broken('does not have the hash that WeChat announced')
}

async function * unpacked (body: AsyncIterable<Buffer>, broken: (why: string) => WechatReplyError): AsyncGenerator<Buffer> {
  // A stream can be destroyed while it waits for the network; a generator would first have to get its next chunk.
  const from = body instanceof Readable ? body : Readable.from(body)
  const gunzip = createGunzip()
  let fault: unknown
  // Failures in the pipe surface at its end; network errors keep their own type.
  from.on('error', error => { fault = error })
  pipeline(from, gunzip, () => {})
  try {
    for await (const chunk of gunzip) yield chunk as Buffer
  } catch {
    throw fault ?? broken('is not gzip, or is truncated')
  } finally {
    from.destroy()
  }
}
