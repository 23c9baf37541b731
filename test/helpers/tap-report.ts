/** Parses the TAP output of a test file. */

export interface Report {
  passed: number
  failed: number
  skipped: number
  /** Each failed assertion: its path, then tap's diagnostics. */
  failures: string[]
}

const SUMMARY = /^# \{ total: .*\}$/
const FAILED = /^( *)not ok \d+(?: - (.*?))?(?: # time=\S+)?$/

/** `output`: the complete output. If tap's last line is missing, the file ended too early, which is a failure. */
export function readReport (output: string): Report {
  const lines = output.split('\n')
  const summary = lines.findLast(line => SUMMARY.test(line))
  const count = (what: string) => Number(new RegExp(`\\b${what}: (\\d+)`).exec(summary ?? '')?.[1] ?? 0)
  const failures: string[] = []
  /** The enclosing subtests of the current line. */
  const around: string[] = []
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] as string
    const subtest = /^( *)# Subtest: (.*)$/.exec(line)
    if (subtest) around.splice((subtest[1] as string).length / 4, Infinity, subtest[2] as string)
    const failed = FAILED.exec(line)
    if (!failed) continue
    const indent = failed[1] as string
    const details: string[] = []
    if (lines[at + 1]?.trim() === '---') {
      for (at += 2; at < lines.length && lines[at] !== `${indent}  ...`; at++) details.push((lines[at] as string).slice(indent.length))
    }
    // The enclosing tests of a failed assertion also fail, but have no further information.
    const empty = !details.some(detail => /^ {2}(?:diff|stack|found|wanted|expired|code|message|signal|tapCaught|duration)\b/.test(detail))
    if (empty && failures.length > 0) continue
    failures.push([[...around.slice(0, indent.length / 4), failed[2] ?? ''].join(' > '), ...details].join('\n'))
  }
  const failed = Math.max(count('fail'), failures.length > 0 ? 1 : 0)
  if (summary === undefined) failures.push(`it ended before its tests did; the last lines:\n${lines.slice(-30).join('\n')}`)
  return { passed: count('pass'), failed: summary === undefined ? failed + 1 : failed, skipped: count('skip'), failures }
}
