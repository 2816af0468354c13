// Makes of a cell what a script can be: its declarations live on in later cells and may be made again, it may await and import,
// and its last expression is its value.
'use strict'
const acorn = require('acorn')
const walk = require('acorn-walk')

function parse(code) {
  return acorn.parse(code, { ecmaVersion: 'latest', allowAwaitOutsideFunction: true, allowImportExportEverywhere: true, allowReturnOutsideFunction: false, allowHashBang: true })
}

const skip = () => {}
// Functions and classes have their own: what is in them does not make a cell wait.
const outer = { ...walk.base, Function: skip, Class(node, state, next) { if (node.superClass) next(node.superClass, state) } }

function waits(tree) {
  let found = false
  const mark = () => { found = true }
  walk.simple(tree, { AwaitExpression: mark, ImportDeclaration: mark, ForOfStatement(node) { if (node.await) found = true } }, outer)
  return found
}

function namesOf(pattern) {
  switch (pattern.type) {
    case 'Identifier': return [pattern.name]
    case 'ObjectPattern': return pattern.properties.flatMap(property => namesOf(property.type === 'RestElement' ? property.argument : property.value))
    case 'ArrayPattern': return pattern.elements.flatMap(element => element ? namesOf(element) : [])
    case 'AssignmentPattern': return namesOf(pattern.left)
    case 'RestElement': return namesOf(pattern.argument)
    default: return []
  }
}

function importOf(node, code) {
  const fields = []
  let whole = null
  for (const one of node.specifiers) {
    if (one.type === 'ImportNamespaceSpecifier') whole = one.local.name
    else if (one.type === 'ImportDefaultSpecifier') fields.push(`default: ${one.local.name}`)
    else fields.push(`${code.slice(one.imported.start, one.imported.end)}: ${one.local.name}`)
  }
  const loaded = `await import(${code.slice(node.source.start, node.source.end)})`
  const names = node.specifiers.map(one => one.local.name)
  if (whole) return { names, text: `${whole} = ${loaded};` + (fields.length ? ` ({ ${fields.join(', ')} } = ${whole});` : '') }
  return { names, text: fields.length ? `({ ${fields.join(', ')} } = ${loaded});` : `${loaded};` }
}

// Without await it stays a script, whose value is its completion value.
function asScript(tree, code, edit) {
  for (const node of tree.body) {
    if (node.type === 'VariableDeclaration' && node.kind !== 'var') edit(node.start, node.start + node.kind.length, 'var')
    else if (node.type === 'ClassDeclaration') edit(node.start, node.start, `var ${node.id.name} = `)
  }
}

function asFunction(tree, code, edit) {
  const names = []
  const functions = []
  tree.body.forEach((node, index) => {
    if (node.type === 'VariableDeclaration') {
      names.push(...node.declarations.flatMap(one => namesOf(one.id)))
      const set = node.declarations.filter(one => one.init || node.kind === 'let')
      edit(node.start, node.end, set.map(one => `(${code.slice(one.id.start, one.id.end)} = ${one.init ? code.slice(one.init.start, one.init.end) : 'undefined'});`).join(' '))
    } else if (node.type === 'ClassDeclaration') {
      names.push(node.id.name)
      edit(node.start, node.start, `${node.id.name} = `)
    } else if (node.type === 'FunctionDeclaration') {
      names.push(node.id.name)
      functions.push(`globalThis.${node.id.name} = ${node.id.name};`)
    } else if (node.type === 'ImportDeclaration') {
      const made = importOf(node, code)
      names.push(...made.names)
      edit(node.start, node.end, made.text)
    } else if (node.type === 'ExpressionStatement' && index === tree.body.length - 1) {
      edit(node.start, node.end, `return { value: (${code.slice(node.expression.start, node.expression.end)}) };`)
    }
  })
  return { names, functions }
}

/** {hoisted: declarations to run first, text: the script, isAsync: whether its value is a promise of {value}}. Throws SyntaxError. */
function transform(code) {
  const tree = parse(code)
  const edits = []
  const edit = (start, end, text) => edits.push({ start, end, text })
  const isAsync = waits(tree)
  const { names, functions } = isAsync ? asFunction(tree, code, edit) : (asScript(tree, code, edit), { names: [], functions: [] })
  let text = code
  for (const { start, end, text: by } of edits.reverse()) text = text.slice(0, start) + by + text.slice(end)
  if (!isAsync) return { hoisted: '', text, isAsync }
  return { hoisted: names.length ? `var ${[...new Set(names)].join(', ')};` : '', text: `(async () => { ${functions.join(' ')} ${text}\n})()`, isAsync }
}

module.exports = { transform }
