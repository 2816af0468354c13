import assert from 'node:assert/strict'
import { sharedInterpreterTest as shared } from '../lib/interpreter.mjs'

const bash = { language: 'bash' }
const js = { language: 'js' }

shared('bash keeps variables, functions and its directory', async (sandbox) => {
  await sandbox.runCode('kept=5; twice() { echo $(($1 * 2)); }; cd /tmp', bash)
  const { logs, error } = await sandbox.runCode('twice $kept; pwd; cat <<END\nhere\nEND', bash)
  assert.deepEqual([logs.stdout.join(''), error], ['10\n/tmp\nhere\n', undefined])
})

shared('bash errors', async (sandbox) => {
  const { logs, error } = await sandbox.runCode('echo out; nosuch', bash)
  assert.deepEqual([logs.stdout.join(''), error.name, error.value], ['out\n', 'ExitCode', '127'])
  assert.match(logs.stderr.join(''), /nosuch: command not found/)
  assert.equal((await sandbox.runCode('if then', bash)).error.value, '2')
})

shared('env vars per execution (bash)', async (sandbox) => {
  const stdout = async (code, envs) => (await sandbox.runCode(code, { ...bash, envs })).logs.stdout.join('')
  assert.equal(await stdout('echo $FOO; sh -c "echo \\$FOO"', { FOO: "b'ar" }), "b'ar\nb'ar\n")
  assert.equal(await stdout('echo ${FOO:-default}'), 'default\n')
  await stdout('FOO=mine')
  assert.equal(await stdout('echo $FOO', { FOO: 'lent' }), 'lent\n')
  assert.equal(await stdout('echo $FOO; sh -c "echo \\${FOO:-not exported}"'), 'mine\nnot exported\n')
})

shared('a bash that ends is replaced, and the run says so', async (sandbox) => {
  const { error } = await sandbox.runCode('echo $$ >/tmp/before; exit 3', bash)
  assert.equal(error.name, 'KernelDied')
  assert.match(error.value, /exit status 3/)
  assert.equal((await sandbox.runCode('[ $$ != $(cat /tmp/before) ] && echo another', bash)).logs.stdout.join(''), 'another\n')
})

shared('js simple', async (sandbox) => {
  const { logs } = await sandbox.runCode('console.log("Hello, World!", { a: 1 }); console.error("bad"); process.stdout.write("raw\\n")', js)
  assert.deepEqual([logs.stdout.join(''), logs.stderr.join('')], ['Hello, World! { a: 1 }\nraw\n', 'bad\n'])
})

shared('js top level await', async (sandbox) => {
  const { text } = await sandbox.runCode("async function main() {\n  return 'Hello, World!'\n}\n\nawait main()\n", js)
  assert.equal(text, 'Hello, World!')
  assert.equal((await sandbox.runCode('await main()', js)).text, 'Hello, World!')
})

shared('js es6', async (sandbox) => {
  assert.equal((await sandbox.runCode('const add = (x, y) => x + y;\nadd(1, 2)\n', js)).text, '3')
})

shared('js context', async (sandbox) => {
  await sandbox.runCode('const z = 1; class Point { constructor() { this.x = z } }', js)
  assert.equal((await sandbox.runCode('z + new Point().x', js)).text, '2')
  assert.equal((await sandbox.runCode('const z = await Promise.resolve(7); let { a, ...rest } = { a: 1, b: 2 }', js)).error, undefined, 'a cell may be run again')
  const { results: [result] } = await sandbox.runCode('({ z, a, rest })', js)
  assert.deepEqual(result.json, { z: 7, a: 1, rest: { b: 2 } })
})

shared('js import', async (sandbox) => {
  const code = "import fs, { readFileSync as read } from 'node:fs'\nimport * as path from 'path'\n[fs.readFileSync === read, path.join('a', 'b')]"
  assert.deepEqual((await sandbox.runCode(code, js)).results[0].json, [true, 'a/b'])
  assert.equal((await sandbox.runCode("typeof (await import('fs')).readFileSync + typeof require('os').cpus", js)).text, 'functionfunction')
})

shared('js errors', async (sandbox) => {
  const { error } = await sandbox.runCode('function f() { throw new TypeError("no") }\nf()', js)
  assert.deepEqual([error.name, error.value], ['TypeError', 'no'])
  assert.match(error.traceback, /at f \(cell-/)
  assert.equal((await sandbox.runCode('let = = 3', js)).error.name, 'SyntaxError')
  assert.equal((await sandbox.runCode('await Promise.reject(new RangeError("far"))', js)).error.name, 'RangeError')
})

shared('js cwd', async (sandbox) => {
  assert.equal((await sandbox.runCode('process.cwd()', js)).text, '/home/user')
  const context = await sandbox.createCodeContext({ cwd: '/home', language: 'js' })
  assert.equal(context.language, 'javascript')
  assert.equal((await sandbox.runCode('process.cwd()', { context })).text, '/home')
  await sandbox.removeCodeContext(context)
})

shared('env vars per execution (javascript)', async (sandbox) => {
  assert.equal((await sandbox.runCode('process.env.FOO', { ...js, envs: { FOO: 'bar' } })).text, 'bar')
  assert.equal((await sandbox.runCode("process.env.FOO || 'default'", js)).text, 'default')
})

shared('a language that is not there is refused', async (sandbox) => {
  for (const language of ['typescript', 'r', 'no such language']) await assert.rejects(sandbox.runCode('1', { language }), /400/)
})
