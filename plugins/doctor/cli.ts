#!/usr/bin/env node
/** `wechat-doctor`: checks whether a configuration works. Exit code 0, 1 (something is broken), 2 (could not check). */
import { diagnose } from '../../src/diagnose.ts'
import { readSettings } from './settings.ts'
import { progressLine, textOf } from './text.ts'
import { USAGE } from './usage.ts'

const { stdout, stderr } = process

/** A client that the configuration opened would keep the process alive. */
const end = (text: string, code: number) => { stdout.write(text, () => process.exit(code)) }

try {
  const { options, settings, lang, json, help, color } = await readSettings(process.argv.slice(2), process.env, stdout.isTTY)
  if (help) {
    end(`${USAGE[lang]}\n`, 0)
  } else {
    const start = performance.now()
    const isWatched = stderr.isTTY && !json
    const diagnosis = await diagnose(options, { ...settings, ...(isWatched && { onProgress: progress => { stderr.write(progressLine(progress, lang)) } }) })
    if (isWatched) stderr.write('\r\x1b[K')
    end(json ? `${JSON.stringify(diagnosis, null, 2)}\n` : textOf(diagnosis, { lang, color, seconds: (performance.now() - start) / 1000 }), diagnosis.ok ? 0 : 1)
  }
} catch (error) {
  // Only the first line: the stack may quote the configuration.
  stderr.write(`wechat-doctor: ${String((error as Error).message ?? error).split('\n')[0]}\n`)
  process.exit(2)
}
