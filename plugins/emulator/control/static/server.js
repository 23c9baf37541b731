// Calls of the control interface.

import { toast } from './dom.js'
import { t, view } from './view.js'

/** @throws Error with the emulator's message */
export async function ask (path, method = 'GET', body) {
  const reply = await fetch(path, { method, ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }) })
  const answer = await reply.json()
  if (!reply.ok) throw new Error(answer.message)
  return answer
}

/** Performs an action, shows the outcome, and refreshes the view. Resolves to the answer, or undefined after a refusal. */
export async function act (path, method = 'POST', body = undefined) {
  try {
    const answer = await ask(path, method, body)
    toast(t('done'))
    return answer
  } catch (error) {
    toast(error.message)
  } finally {
    await view.refresh()
  }
}

export const segment = encodeURIComponent
/** Distinguishes orders of a service provider's sub-merchants. */
export const ofSub = ({ sub_mch_id: id }) => id ? `?sub_mch_id=${segment(id)}` : ''
