/** What a visitor may read of an error, and what is for the operator: WeChat's words hold the server's address, ids and advice. */
import { WechatApiError, WechatConfigError, WechatError, WechatNetworkError, WechatReplyError } from '../src/errors.ts'

/**
 * The error as it may leave the server: of its class, with all of its members, but with a plain sentence for a message. The
 * whole error is its `cause`, which logs show. What a visitor caused, or what the host threw, stays as it is.
 */
export function forVisitors (error: unknown): unknown {
  const message = plainly(error)
  if (message === undefined) return error
  const { name, stack = '' } = error as Error
  const calls = stack.indexOf('\n    at ')
  return Object.create(error as Error, {
    message: { value: message },
    stack: { value: `${name}: ${message}${calls < 0 ? '' : stack.slice(calls)}` },
    cause: { value: error }
  })
}

/** Undefined where the error's own words may be read by anybody. */
function plainly (error: unknown): string | undefined {
  if (error instanceof WechatConfigError) return 'this server is not set up for that'
  if (error instanceof WechatNetworkError) return 'WeChat could not be reached; please try again'
  if (error instanceof WechatReplyError) return 'WeChat gave no usable answer; please try again'
  if (error instanceof WechatApiError) {
    // A page may want to know that an order has been paid. What is this server's business is none of its visitors'.
    if (error.statusCode < 500) return `WeChat refused this: ${error.wechatCode}`
    return error.retryable ? 'WeChat is busy; please try again' : 'WeChat refused this server\'s call'
  }
  if (error instanceof WechatError && error.statusCode >= 500 && error.code.startsWith('WECHAT_')) return 'this server cannot do that at the moment; please try again'
  return undefined
}
