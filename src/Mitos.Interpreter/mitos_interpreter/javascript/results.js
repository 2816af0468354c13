// A value as the formats that it has.
'use strict'
const util = require('util')

const display = Symbol.for('Jupyter.display')
const names = { 'text/plain': 'text', 'text/html': 'html', 'text/markdown': 'markdown', 'image/svg+xml': 'svg', 'image/png': 'png', 'image/jpeg': 'jpeg', 'text/latex': 'latex', 'application/json': 'json', 'application/javascript': 'javascript' }
const mostJson = 1 << 20

/** Text always; what the value says of itself by Jupyter.display; JSON of plain objects and arrays. */
function describe(value) {
  const result = { text: typeof value === 'string' ? value : util.inspect(value) }
  if (value === null || typeof value !== 'object') return result
  if (typeof value[display] === 'function') {
    for (const [mime, content] of Object.entries(value[display]())) {
      if (names[mime]) result[names[mime]] = content
      else (result.extra ??= {})[mime] = content
    }
    return result
  }
  const prototype = Object.getPrototypeOf(value)
  if (Array.isArray(value) || prototype === Object.prototype || prototype === null) {
    try {
      const text = JSON.stringify(value)
      if (text.length <= mostJson) result.json = JSON.parse(text)
    } catch {
      // it has cycles, or big integers
    }
  }
  return result
}

module.exports = { describe }
