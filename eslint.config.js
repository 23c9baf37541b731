import neostandard, { resolveIgnoresFromGitignore } from 'neostandard'

export default [
  ...neostandard({ ts: true, ignores: resolveIgnoresFromGitignore() }),
  {
    rules: {
      // Hostile input is matched by the very control characters that this rule takes for typing errors.
      'no-control-regex': 'off',
      // WeChat's own names are spelled WeChat's way.
      camelcase: 'off'
    }
  }
]
