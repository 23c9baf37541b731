/** Parses the TAP output of a process that ran test files (test/helpers/batch.ts). */

export interface Report {
  file: string
  passed: number
  failed: number
  skipped: number
  /** Each failed assertion: its path, then tap's diagnostics. */
  failures: string[]
}

export const FILE = /^# file: (.+)$/
const SUMMARY = /^# \{ total: .*\}$/
const FAILED = /^( *)not ok \d+(?: - (.*?))?(?: # time=\S+)?(?: \{)?$/
/** An assertion or a skipped test. A line with a time is a test that contains assertions. */
const RESULT = /^ *(not )?ok \d+(?!.* # time=)(?:.* # (SKIP|TODO)\b)?/

/** `output`: the complete output. If tap's last line is missing, the process ended too early, which is a failure. */
export function readReports (output: string, files: string[]): Report[] {
  const reports = files.map(file => ({ file, passed: 0, failed: 0, skipped: 0, failures: [] as string[] }))
  let report = reports[0] as Report
  const lines = output.split('\n')
  /** The enclosing subtests of the current line. */
  const around: string[] = []
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] as string
    const file = FILE.exec(line)?.[1]
    if (file !== undefined) report = reports.find(report => report.file === file) ?? report
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
  const summary = lines.findLast(line => SUMMARY.test(line))
  if (summary === undefined) report.failures.push(`it ended before its tests did; the last lines:\n${lines.slice(-30).join('\n')}`)
  // Failures that the loop above did not recognize.
  if (/\bfail: \d/.test(summary ?? '') && reports.every(({ failed, failures }) => failed === 0 && failures.length === 0)) report.failures.push(`tap counted failures: ${summary}`)
  for (const one of reports) one.failed = Math.max(one.failed, one.failures.length > 0 ? 1 : 0)
  return reports
}
