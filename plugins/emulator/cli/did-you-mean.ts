/** Suggests the known word closest to a misspelt one. */
export function nearest (word: string, known: readonly string[]): string | undefined {
  const [best] = known.map(candidate => ({ candidate, away: distance(word.toLowerCase(), candidate.toLowerCase()) })).sort((one, other) => one.away - other.away)
  return best && best.away <= Math.max(1, Math.floor(word.length / 3)) ? best.candidate : undefined
}

export function didYouMean (word: string, known: readonly string[], as = (word: string) => word): string {
  const meant = nearest(word, known)
  return meant === undefined ? '' : `: did you mean ${as(meant)}?`
}

/** Edit distance: insertions, deletions, replacements, and swaps of neighbouring letters. */
function distance (one: string, other: string): number {
  const rows = [[...Array(other.length + 1).keys()]]
  const at = (row: number, column: number) => rows[row]?.[column] ?? Infinity
  for (let row = 1; row <= one.length; row++) {
    rows.push([row])
    for (let column = 1; column <= other.length; column++) {
      const same = one[row - 1] === other[column - 1]
      const swapped = row > 1 && column > 1 && one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1]
      rows[row]?.push(Math.min(at(row - 1, column) + 1, at(row, column - 1) + 1, at(row - 1, column - 1) + (same ? 0 : 1), swapped ? at(row - 2, column - 2) + 1 : Infinity))
    }
  }
  return at(one.length, other.length)
}
