/** Separates what visitors may see of an error from what is for the operator: WeChat's messages contain the server's address, ids and advice. */
import { WechatApiError, WechatConfigError, WechatError, WechatNetworkError, WechatReplyError } from '../src/errors.ts'

/**
 * The error for visitors: same class, same members, but a generic message. The
 * original error is its `cause`, which logs show. Errors that the visitor caused, or that your functions threw, are returned unchanged.
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

/** Undefined if the error's own message is safe for everyone. */
function plainly (error: unknown): string | undefined {
  if (error instanceof WechatConfigError) return 'this server is not configured for this'
  if (error instanceof WechatNetworkError) return 'WeChat could not be reached; please try again'
  if (error instanceof WechatReplyError) return 'WeChat returned no usable answer; please try again'
  if (error instanceof WechatApiError) {
    // A page may need to know that an order is paid. Errors about this server are not for visitors.
    if (error.statusCode < 500) return `WeChat refused this: ${error.wechatCode}`
    return error.retryable ? 'WeChat is busy; please try again' : 'WeChat refused this server\'s call'
  }
  if (error instanceof WechatError && error.statusCode >= 500 && error.code.startsWith('WECHAT_')) return 'this is not possible at the moment; please try again'
  return undefined
}
