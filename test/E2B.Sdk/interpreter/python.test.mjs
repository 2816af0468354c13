import assert from 'node:assert/strict'
import { interpreterTest, sharedInterpreterTest as shared } from '../lib/interpreter.mjs'

// First: the sandbox is new.
shared('execution count', async (sandbox) => {
  assert.equal((await sandbox.runCode('!pwd')).executionCount, 1)
  assert.equal((await sandbox.runCode('!pwd')).executionCount, 2)
})

shared('basic', async (sandbox) => {
  const execution = await sandbox.runCode('x = 1; x')
  assert.equal(execution.text, '1')
  assert.equal(execution.error, undefined)
  assert.equal(execution.results[0].isMainResult, true)
})

shared('statefulness', async (sandbox) => {
  await sandbox.runCode('kept = 1')
  assert.equal((await sandbox.runCode('kept += 1; kept')).text, '2')
})

shared('streaming output', async (sandbox) => {
  const seen = []
  const code = 'import sys, time\nfor i in range(3):\n  print(i, flush=True); time.sleep(0.5)\nprint("bad", file=sys.stderr)'
  const execution = await sandbox.runCode(code, { onStdout: (message) => seen.push(message.line), onStderr: (message) => seen.push(message.line) })
  assert.ok(seen.length >= 4, `as they came, not at the end: ${JSON.stringify(seen)}`)
  assert.equal(execution.logs.stdout.join(''), '0\n1\n2\n')
  assert.equal(execution.logs.stderr.join(''), 'bad\n')
})

shared('callback results', async (sandbox) => {
  const [results, errors] = [[], []]
  await sandbox.runCode('display(1); 2', { onResult: (result) => results.push(result.text) })
  await sandbox.runCode('xyz', { onError: (error) => errors.push(error.name) })
  assert.deepEqual([results, errors], [['1', '2'], ['NameError']])
})

shared('errors have name, value and traceback', async (sandbox) => {
  const { error } = await sandbox.runCode('def f():\n  raise ValueError("no such thing")\nf()')
  assert.deepEqual([error.name, error.value], ['ValueError', 'no such thing'])
  assert.match(error.traceback, /in f\(\)/)
  assert.equal((await sandbox.runCode('x ===')).error.name, 'SyntaxError')
  assert.equal((await sandbox.runCode('"fine after that"')).text, 'fine after that')
})

shared('bash', async (sandbox) => {
  assert.equal((await sandbox.runCode('!pwd')).logs.stdout.join('').trim(), '/home/user')
})

shared('cwd python', async (sandbox) => {
  assert.equal((await sandbox.runCode('from pathlib import Path; print(Path.cwd())')).logs.stdout.join('').trim(), '/home/user')
})

shared('get data', async (sandbox) => {
  const code = 'import datetime\npd.DataFrame({"a": [1.5, None], "b": ["x", "y"], "t": [pd.Timestamp(2026, 1, 2), pd.NaT], 3: [True, False]})'
  const { results: [result] } = await sandbox.runCode(code)
  assert.deepEqual(result.data, { a: [1.5, null], b: ['x', 'y'], t: ['2026-01-02T00:00:00', null], 3: [true, false] })
  assert.match(result.html, /<table/)
  assert.match(result.text, /1\.5/)
})

shared('display data', async (sandbox) => {
  const { results: [image] } = await sandbox.runCode('import numpy as np, matplotlib.pyplot as plt\nplt.plot(np.sin(np.linspace(0, 20, 100)))\nplt.show()')
  assert.deepEqual([...Buffer.from(image.png, 'base64').subarray(0, 4)], [0x89, 0x50, 0x4e, 0x47])
  assert.match(image.text, /^<Figure/)
  assert.equal(image.chart.type, 'line')
})

shared('a picture is shown', async (sandbox) => {
  const { results: [image] } = await sandbox.runCode('from PIL import Image\nImage.new("RGB", (2, 2))')
  assert.ok(image.png.length > 50)
})

shared('each format has its place', async (sandbox) => {
  const { results } = await sandbox.runCode(`
from IPython.display import *
display(HTML('<b>h</b>'), Markdown('# m'), SVG('<svg xmlns="http://www.w3.org/2000/svg"/>'), Latex('$x$'), JSON({'a': [1]}), Javascript('1'))
display({'x/unknown': 'u', 'text/plain': 't'}, raw=True)`)
  assert.deepEqual(results.map((result) => result.formats().filter((format) => format !== 'text')), [['html'], ['markdown'], ['svg'], ['latex'], ['json'], ['javascript'], []])
  assert.deepEqual([results[4].json, results[6].raw.extra], [{ a: [1] }, { 'x/unknown': 'u' }])
})

shared('much output arrives whole', async (sandbox) => {
  const { logs, error } = await sandbox.runCode('for i in range(20000): print("%0100d" % i)')
  assert.equal(error, undefined)
  assert.equal(logs.stdout.join('').length, 20_000 * 101)
})

interpreterTest('env vars on sandbox override', async (sandbox) => {
  const run = async (code, envs) => (await sandbox.runCode(code, { envs })).text
  await run("import os; os.environ['RUNTIME_ENV'] = 'value'")
  assert.equal(await run("os.getenv('FOO')", { FOO: 'baz' }), 'baz')
  assert.equal(await run("os.getenv('FOO')"), 'bar')
  assert.equal(await run("os.getenv('ONCE', 'none')", { ONCE: 'now' }), 'now')
  assert.equal(await run("os.getenv('ONCE', 'none')"), 'none')
  assert.equal(await run("os.getenv('RUNTIME_ENV')"), 'value')
  assert.equal((await sandbox.runCode("print(os.getenv('SBX'))")).logs.stdout.join(''), "it's\na value\n")
  assert.equal(await run("os.getenv('E2B_SANDBOX_ID')"), sandbox.sandboxId)
  const text = (await sandbox.runCode('echo "$FOO $SBX"', { language: 'bash' })).logs.stdout.join('')
  assert.equal(text, "bar it's\na value\n")
  assert.equal((await sandbox.runCode('process.env.FOO', { language: 'js' })).text, 'bar')
}, { sandbox: { envs: { FOO: 'bar', SBX: "it's\na value" } } })
