/** Parses the TAP output of a process that runs test files (test/helpers/run-files.ts). */

export interface Report {
  file: string
  passed: number
  failed: number
  skipped: number
  /** Each failed assertion: its path, then tap's diagnostics. */
  failures: string[]
}

/** The start of a file's output. */
export const FILE = /^ +# file: (.+)$/
const SUMMARY = /^# \{ total: .*\}$/
const FAILED = /^( *)not ok \d+(?: - (.*?))?(?: # time=\S+)?(?: \{)?$/
/** An assertion or a skipped test. A line with a time is a test that contains assertions. */
const RESULT = /^ *(not )?ok \d+(?!.* # time=)(?:.* # (SKIP|TODO)\b)?/

/** `lines`: the output of one file's tests. */
export function readReport (file: string, lines: string[]): Report {
  const report: Report = { file, passed: 0, failed: 0, skipped: 0, failures: [] }
  /** The enclosing subtests of the current line. */
  const around: string[] = []
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] as string
    const subtest = /^( *)# Subtest: (.*)$/.exec(line)
    if (subtest) around.splice((subtest[1] as string).length / 4, Infinity, subtest[2] as string)
    const result = RESULT.exec(line)
    if (result) report[result[2] !== undefined ? 'skipped' : result[1] !== undefined ? 'failed' : 'passed']++
    const failed = FAILED.exec(line)
    if (!failed) continue
    const indent = failed[1] as string
    const details: string[] = []
    if (lines[at + 1]?.trim() === '---') {
      for (at += 2; at < lines.length && lines[at] !== `${indent}  ...`; at++) details.push((lines[at] as string).slice(indent.length))
    }
    // The enclosing tests of a failed assertion also fail, but have no further information.
    const empty = !details.some(detail => /^ {2}(?:diff|stack|found|wanted|expired|code|message|signal|tapCaught|duration)\b/.test(detail))
    if (empty && report.failures.length > 0) continue
    report.failures.push([[...around.slice(0, indent.length / 4), failed[2] ?? ''].join(' > '), ...details].join('\n'))
  }
  return report
}

/**
 * What is wrong with the end of a process. `end`: exit code or signal. `hasFailed`: a failure that was found before explains
 * both the exit code and tap's count.
 */
export function problemsAtEnd (lines: string[], end: number | string, hasFailed: boolean): string[] {
  const summary = lines.findLast(line => SUMMARY.test(line))
  if (summary === undefined) return [`its process ended with ${end} before its tests did; the last lines:\n${lines.slice(-30).join('\n')}`]
  // Failures that readReport did not recognize.
  return hasFailed || (end === 0 && !/\bfail: \d/.test(summary)) ? [] : [`its process ended with ${end}: ${summary}`]
}
