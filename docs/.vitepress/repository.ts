/** Where the repository is: as package.json says. */
import { readFileSync } from 'node:fs'

const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { repository: { url: string } }

export const repository = manifest.repository.url.replace(/^git\+|\.git$/g, '')
