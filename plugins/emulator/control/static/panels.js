// The tabs, from left to right. A panel of rows has `name` (the area of /_emulator/records), `key`, `render`, `stateWord`
// and `empty`; a panel with `isTool` renders what `shows` selects from the state; `isAbsent` hides the tab. The tab's label is
// WORDS[name] in words.js.

import { calls } from './calls.js'
import { faults } from './faults.js'
import { notifications } from './notifications.js'
import { openPlatform } from './open-platform.js'
import { orders } from './orders.js'
import { recordPanel } from './records.js'
import { tools } from './tools.js'

export const PANELS = [orders, calls, notifications, ...['transfers', 'sharing', 'services', 'mini-program', 'complaints', 'messages'].map(recordPanel), openPlatform, faults, tools]
