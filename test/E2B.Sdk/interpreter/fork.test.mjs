import assert from 'node:assert/strict'
import { createInterpreter, fork, sharedInterpreterTest as shared } from '../lib/interpreter.mjs'
import { test } from 'node:test'

const draws = {
  python: 'import random, numpy, uuid, secrets\n[random.random(), float(numpy.random.rand()), random.SystemRandom().random(), uuid.uuid4().hex, secrets.token_hex(8)]',
  js: "const c = require('crypto');\n[Math.random(), c.randomBytes(8).toString('hex'), crypto.randomUUID(), c.randomInt(2 ** 40), crypto.getRandomValues(new Uint32Array(2)).join()]",
  bash: 'echo $RANDOM $RANDOM $RANDOM; echo $SRANDOM',
}

const output = ({ text, logs, error }) => {
  assert.equal(error, undefined)
  return text ?? logs.stdout.join('')
}

test('a fork keeps variables and reseeds', async () => {
  const source = await createInterpreter()
  // Deterministic, and in the middle of what it hands out.
  await source.runCode('import random, numpy; random.seed(1); numpy.random.seed(1); random.random(); numpy.random.rand(); kept = {"deep": [1, 2]}; made = numpy.arange(5)')
  await source.runCode('RANDOM=1; echo $RANDOM; kept=shell', { language: 'bash' })
  await source.runCode('Math.random(); const kept = new Map([[1, "one"]])', { language: 'js' })
  const children = await fork(source, 3)
  const machines = [source, ...children]
  for (const language of Object.keys(draws)) {
    const drawn = await Promise.all(machines.map(async (machine) => output(await machine.runCode(draws[language], { language }))))
    const values = drawn.flatMap((text) => text.match(/[0-9a-f.-]{4,}/g) ?? [])
    assert.equal(new Set(drawn).size, machines.length, `${language}: ${drawn}`)
    assert.equal(new Set(values).size, values.length, `${language}: ${drawn}`)
  }
  for (const child of children) {
    assert.equal((await child.runCode('kept["deep"], made.sum()')).text, '([1, 2], 10)')
    assert.equal((await child.runCode('kept.get(1)', { language: 'js' })).text, 'one')
    assert.equal((await child.runCode('echo $kept', { language: 'bash' })).logs.stdout.join(''), 'shell\n')
    assert.equal((await child.runCode('import os; os.environ["E2B_SANDBOX_ID"]')).text, child.sandboxId)
  }
  await children[0].runCode('kept["deep"].append(3)')
  assert.deepEqual(await Promise.all([source, ...children.slice(0, 2)].map(async (machine) => (await machine.runCode('kept["deep"]')).text)), ['[1, 2]', '[1, 2, 3]', '[1, 2]'])
  const [grandchild] = await fork(children[0], 1)
  assert.equal((await grandchild.runCode('kept["deep"]')).text, '[1, 2, 3]')
})

test('a run goes on through a fork of its sandbox', async () => {
  const source = await createInterpreter()
  await source.runCode('import random, time\nkept = 5; go = False\ndef ask():\n  return go')
  let begun
  const beginning = new Promise((resolve) => { begun = resolve })
  const seen = []
  const code = 'import os\nrandom.seed(1)\nn = 0\nwhile not os.path.exists("/tmp/go"):\n  n += 1; print(n, flush=True); time.sleep(0.05)\nprint("end", n)'
  const running = source.runCode(code, { onStdout: (message) => { seen.push(message.line); begun() } })
  await beginning
  const [first, second] = await fork(source, 2)
  const before = seen.length
  await source.files.write('/tmp/go', '')
  const { error, logs } = await running
  assert.equal(error, undefined)
  assert.ok(seen.length >= before)
  const numbers = logs.stdout.join('').trim().split('\n')
  assert.deepEqual(numbers.slice(0, -1).map(Number), Array.from({ length: numbers.length - 1 }, (_, i) => i + 1), 'nothing is lost or doubled')
  assert.equal(numbers.at(-1), `end ${numbers.length - 1}`)
  // In the children nobody follows that run: it was interrupted, and they can be used.
  const drawn = await Promise.all([first, second].map(async (child) => (await child.runCode('(kept, random.random())')).text))
  assert.ok(drawn.every((text) => text.startsWith('(5, ')))
  assert.notEqual(drawn[0], drawn[1])
})

// What a fork does to a kernel, thousands of times in a second, at moments that the kernel would like least.
const forks = `import numpy, os, random, signal, threading, time
draws, going = [], True
class Sequence(list):
  """Is shuffled by Python code, under the lock of numpy's generator."""
  def __getitem__(self, i):
    if not i % 100: forked()
    return list.__getitem__(self, i)
def forked():
  open("/run/mitos/fork-id", "w").write(os.urandom(8).hex())
  os.kill(os.getpid(), signal.SIGURG)
def fork_often():
  while going: forked()
`

shared('a fork amid the work of the random generators neither blocks the kernel nor leaves their numbers', async (sandbox) => {
  await sandbox.runCode(forks)
  const seeded = (body) => `for _ in range(20):\n  random.seed(1); numpy.random.seed(1)\n  ${body}\n  draws.append((random.random(), numpy.random.rand()))`
  const drawn = '(len(draws), len({a for a, _ in draws}), len({b for _, b in draws}))'
  assert.equal((await sandbox.runCode(`${seeded('numpy.random.shuffle(Sequence(range(300))); time.sleep(0.05)')}\n${drawn}`)).text, '(20, 20, 20)')
  const { error, text } = await sandbox.runCode(`thread = threading.Thread(target=fork_often); thread.start()\nfor _ in range(300):\n  numpy.random.seed([1, 2, 3]); numpy.random.rand()\ngoing = False; thread.join(); draws.clear()\n${seeded('forked()')}\n${drawn}`)
  assert.equal(error, undefined)
  assert.equal(text, '(20, 20, 20)')
})
