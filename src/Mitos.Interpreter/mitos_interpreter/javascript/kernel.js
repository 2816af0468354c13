// Runs cells in this one process. argv: the descriptor by which the folders of cells come, and the one to which events go as lines of JSON.
'use strict'
const fs = require('fs')
const net = require('net')
const path = require('path')
const util = require('util')
const vm = require('vm')
const { Console } = require('console')
const { Writable } = require('stream')
const { createRequire } = require('module')
const { pathToFileURL } = require('url')
const { randomness } = require('./randomness')
const { transform } = require('./transform')
const { Environment } = require('./environment')
const { describe } = require('./results')

const [cells, lines] = process.argv.splice(2).map(Number)
// Cells may replace what programs use, and are told so by the end of this process when it cannot do without.
const { parse, stringify } = JSON
const die = process.kill.bind(process, process.pid, 'SIGKILL')
const environment = new Environment(process.env)
let interrupt = null
let count = 0

// Synchronous: what was said before a process.exit() is not lost.
function say(event) {
  const bytes = Buffer.from(stringify(event) + '\n')
  for (let at = 0; at < bytes.length;) at += fs.writeSync(lines, bytes, at)
}

function output(type) {
  return new Writable({ decodeStrings: false, write(chunk, _, done) { say({ type, text: String(chunk) }); done() } })
}

for (const name of ['stdout', 'stderr']) {
  const stream = output(name)
  process[name].write = (chunk, encoding, done) => stream.write(chunk, typeof encoding === 'string' ? encoding : undefined, typeof encoding === 'function' ? encoding : done)
}
globalThis.console = new Console({ stdout: output('stdout'), stderr: output('stderr') })
globalThis.require = createRequire(path.join(process.cwd(), 'cell.js'))
globalThis.module = { exports: {} }
globalThis.exports = globalThis.module.exports
const local = globalThis.require

// Bare names and paths as seen from the working directory, not from this file.
async function importModule(name) {
  name = name.replace(/^npm:/, '')
  let found = name
  if (!/^(node|file|data):/.test(name) && !local('module').builtinModules.includes(name)) {
    found = pathToFileURL(name.startsWith('.') || name.startsWith('/') ? path.resolve(name) : local.resolve(name)).href
  }
  return import(found)
}

// What is thrown may be anything, also what cannot be looked at.
function sayError(error) {
  try {
    sayWhatIs(error)
  } catch {
    say({ type: 'error', name: 'Error', value: '(it cannot be shown)', traceback: 'Uncaught (it cannot be shown)' })
  }
}

function sayWhatIs(error) {
  if (error && error.code === 'ERR_SCRIPT_EXECUTION_INTERRUPTED') {
    say({ type: 'error', name: 'Interrupted', value: 'The cell was interrupted', traceback: 'Interrupted: The cell was interrupted' })
  } else if (error instanceof Error || (error && typeof error.stack === 'string')) {
    // Our own frames tell nothing: the cell's are those before them.
    const frames = String(error.stack).split('\n')
    const ours = frames.findIndex(frame => frame.includes(__dirname) || frame.includes('node:vm') || frame.includes('/acorn/'))
    say({ type: 'error', name: String(error.name), value: String(error.message), traceback: frames.slice(0, ours > 0 ? ours : undefined).join('\n') })
  } else {
    say({ type: 'error', name: 'Error', value: util.inspect(error), traceback: 'Uncaught ' + util.inspect(error) })
  }
}

async function evaluate(code) {
  const { hoisted, text, isAsync } = transform(code)
  const options = { filename: `cell-${count}.js`, importModuleDynamically: importModule }
  if (hoisted) new vm.Script(hoisted, options).runInThisContext()
  const value = new vm.Script(text, options).runInThisContext({ breakOnSigint: true })
  if (!isAsync) return { value } // also when it is a promise: it is shown as one
  const interrupted = new Promise((_, reject) => { interrupt = () => reject(Object.assign(new Error('The cell was interrupted'), { name: 'Interrupted' })) })
  return await Promise.race([value, interrupted]) ?? {}
}

async function run(cell) {
  if (cell.counts) count++
  if (environment.enter(cell.machine, cell.env)) randomness.reseed()
  try {
    const { value } = await evaluate(cell.code)
    if (value !== undefined) say({ type: 'result', is_main_result: true, ...describe(value) })
  } catch (error) {
    sayError(error)
  }
  interrupt = null
  environment.leave()
  say({ type: 'done' })
}

randomness.install(globalThis)
process.on('SIGINT', () => interrupt && interrupt())
process.on('SIGURG', () => randomness.reseed())
for (const [event, title] of [['uncaughtException', 'Uncaught'], ['unhandledRejection', 'Unhandled rejection:']]) {
  process.on(event, error => {
    let text = '(it cannot be shown)'
    try { text = String(error && error.stack ? error.stack : util.inspect(error)) } catch {}
    say({ type: 'stderr', text: `${title} ${text}\n` })
  })
}

let rest = ''
const socket = new net.Socket({ fd: cells, readable: true, writable: false })
socket.setEncoding('utf8')
socket.on('data', text => {
  try {
    const parts = (rest + text).split('\n')
    rest = parts.pop()
    for (const line of parts) run(parse(fs.readFileSync(path.join(line, 'cell.json'), 'utf8'))).catch(die) // one at a time: the next comes when this one is done
  } catch {
    die()
  }
})
socket.on('end', () => process.exit(0))
say({ type: 'done' })
