/** The type of every emulator option. An option missing in this table does not compile. */
import { anything, checkOptions, flag, handler, integer, list, number, object, oneOf, shape, text } from '../../../src/shapes.ts'
import type { Shape, ShapesOf } from '../../../src/shapes.ts'
import type { CreateEmulatorOptions } from './emulator.ts'
import type { ComponentOptions } from '../wechat/open-platform/component.ts'
import type { EmulatorOptions } from './plugin.ts'
import type { SubMerchant, StateOptions } from '../state/state.ts'

const port = integer('a port', 0, 65535)
const absoluteUrl = shape(value => typeof value === 'string' && /^https?:\/\//.test(value) && URL.canParse(value), 'must be an absolute http(s) URL')
const seconds = number('a number of seconds', 0, 1e9)

const SUB_MERCHANT = { subMchId: text, subAppId: text } satisfies ShapesOf<SubMerchant>

const ACCOUNT = {
  appId: text,
  appSecret: text,
  mchId: text,
  apiKey: text,
  apiV3Key: text,
  tokenLifetime: seconds,
  ticketLifetime: seconds,
  timeScale: number('a number', 0, 1e6),
  now: handler,
  refundDelay: seconds,
  keyMode: oneOf('public-key', 'certificate', 'both'),
  balance: integer('an integer number of fen', Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
  subMerchants: list(object(SUB_MERCHANT)),
  nativeUrl: absoluteUrl,
  seed: text,
  appIds: list(text),
  appName: text,
  merchantName: text,
  domains: list(text)
} satisfies ShapesOf<StateOptions>

const COMPONENT = {
  appId: text,
  appSecret: text,
  token: text,
  encodingAesKey: shape(value => typeof value === 'string' && /^[0-9A-Za-z]{43}$/.test(value), 'must be 43 letters and digits'),
  url: absoluteUrl,
  domains: list(text)
} satisfies ShapesOf<ComponentOptions>

/** `true`, or its options. */
const component: Shape = Object.assign((value: unknown, option: string) => { if (typeof value !== 'boolean') object(COMPONENT)(value, option) }, { members: COMPONENT })

const PLUGIN = { ...ACCOUNT, component, allowProduction: flag, parts: anything } satisfies ShapesOf<EmulatorOptions>

const CREATE = {
  ...PLUGIN,
  port,
  securePort: port,
  host: text,
  publicHost: shape(value => typeof value === 'string' || (Array.isArray(value) && value.every(name => typeof name === 'string')), 'must be a host name or an IP address, or a list of them'),
  data: text,
  accounts: list(object({ ...ACCOUNT, name: anything })),
  logger: anything
} satisfies ShapesOf<CreateEmulatorOptions>

/** Fastify's `register` options. */
const REGISTER = { prefix: anything, logLevel: anything, logSerializers: anything }

/** @throws WechatConfigError */
export const checkEmulatorOptions = (options: object): void => checkOptions(options, CREATE)
/** The same for the plugin without `createEmulator`. */
export const checkPluginOptions = (options: object): void => checkOptions(options, { ...PLUGIN, ...REGISTER })
