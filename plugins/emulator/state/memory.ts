/** The state's tables by name. They contain plain values, so that they can be saved as JSON. */

export interface Memory {
  /** A table of plain values; the same one for the same name. */
  table<T> (name: string): Map<string, T>
  list<T> (name: string): T[]
  /** Everything, ready for JSON. */
  snapshot (): MemorySnapshot
}

export interface MemorySnapshot {
  tables: Record<string, Array<[string, unknown]>>
  lists: Record<string, unknown[]>
}

export function createMemory (saved: MemorySnapshot = { tables: {}, lists: {} }): Memory {
  const tables = new Map<string, Map<string, unknown>>()
  const lists = new Map<string, unknown[]>()
  return {
    table<T> (name: string) {
      const table = tables.get(name) ?? new Map(saved.tables[name])
      tables.set(name, table)
      return table as Map<string, T>
    },
    list<T> (name: string) {
      const list = lists.get(name) ?? [...saved.lists[name] ?? []]
      lists.set(name, list)
      return list as T[]
    },
    snapshot: () => ({
      tables: Object.fromEntries([...tables].map(([name, table]) => [name, [...table]])),
      lists: Object.fromEntries(lists)
    })
  }
}
