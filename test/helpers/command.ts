/** Runs the emulator's command from source, as in a shell. */
import { fileURLToPath } from 'node:url'
import { program } from './program.ts'
import type { Surroundings } from './program.ts'

const CLI = fileURLToPath(new URL('../../plugins/emulator/cli/cli.ts', import.meta.url))

export const command = (args: readonly string[], surroundings?: Surroundings) => program(CLI, args, surroundings)
