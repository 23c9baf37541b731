// A form for a control route: title, path, fields.

import { copyButton, h, raw } from './dom.js'
import { act } from './server.js'
import { t } from './view.js'

/**
 * `fields`: `{ name, label, kind: 'text' | 'number' | 'choice' | 'check', choices, value, required }`, where a choice is a
 * value or `[value, word]`. `body` creates the request from the filled-in fields; default: those that are not empty.
 * `result` selects the part of the answer to show.
 */
export function form ({ title, label = 'go', path, method = 'POST', fields = [], body = filled => filled, result, hint }) {
  const inputs = fields.map(field => [field, inputOf(field)])
  const output = h('output', { class: 'result' })
  return h('form', {
    class: 'control',
    'data-form': title,
    onsubmit: async event => {
      event.preventDefault()
      const filled = Object.fromEntries(inputs.map(([field, input]) => [field.name, valueOf(field, input)]).filter(([, value]) => value !== undefined))
      const answer = await act(path, method, body(filled))
      if (answer && result) output.replaceChildren(raw(result(answer)), copyButton(result(answer), t(title)))
    }
  },
  h('h3', {}, t(title)),
  hint === undefined ? undefined : h('p', { class: 'hint' }, t(hint)),
  h('div', { class: 'fields' },
    ...inputs.map(([{ label, kind }, input]) => kind === 'check' ? h('label', { class: 'check' }, input, t(label)) : h('label', {}, t(label), input)),
    h('button', { type: 'submit' }, t(label))),
  output)
}

function inputOf ({ name, kind = 'text', choices = [], value, required = false }) {
  if (kind === 'choice') {
    return h('select', { name }, ...choices.map(choice => {
      const [own, word] = Array.isArray(choice) ? choice : [choice]
      return h('option', { value: own, selected: own === value, ...(word === undefined && { translate: 'no' }) }, word === undefined ? own : t(word))
    }))
  }
  if (kind === 'check') return h('input', { name, type: 'checkbox', checked: value === true })
  return h('input', { name, type: kind === 'number' ? 'number' : 'text', step: kind === 'number' && 'any', value, required, autocomplete: 'off', spellcheck: 'false' })
}

function valueOf ({ kind }, input) {
  if (kind === 'check') return input.checked
  if (input.value.trim() === '') return undefined
  return kind === 'number' ? Number(input.value) : input.value.trim()
}
