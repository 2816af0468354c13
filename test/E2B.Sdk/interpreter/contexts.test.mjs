import assert from 'node:assert/strict'
import { interpreterTest, sharedInterpreterTest as shared } from '../lib/interpreter.mjs'
import { until } from '../lib/wait.mjs'

shared('list contexts', async (sandbox) => {
  const languages = (await sandbox.listCodeContexts()).map((context) => context.language)
  assert.deepEqual(languages.sort(), ['bash', 'javascript', 'python'])
})

shared('create context with no options', async (sandbox) => {
  const context = await sandbox.createCodeContext()
  assert.deepEqual([context.language, context.cwd], ['python', '/home/user'])
  assert.deepEqual((await sandbox.listCodeContexts()).at(-1), context)
  await sandbox.removeCodeContext(context)
})

shared('create context with options', async (sandbox) => {
  const context = await sandbox.createCodeContext({ language: 'python', cwd: '/root' })
  assert.equal((await sandbox.runCode('import os; os.getcwd()', { context })).text, '/root')
  await sandbox.runCode('mine = 1', { context })
  assert.equal((await sandbox.runCode('mine')).error.name, 'NameError', 'contexts share no variables')
  await sandbox.removeCodeContext(context.id)
  assert.ok((await sandbox.listCodeContexts()).every((other) => other.id !== context.id))
  await assert.rejects(sandbox.runCode('1', { context }), /not found/)
  await assert.rejects(sandbox.createCodeContext({ cwd: '/no/such' }), /400/)
})

shared('restart context', async (sandbox) => {
  const context = await sandbox.createCodeContext()
  await sandbox.runCode('mine = 1', { context })
  const running = sandbox.runCode('import time\nprint("begun", flush=True)\ntime.sleep(600)', { context, onStdout: () => sandbox.restartCodeContext(context) })
  assert.equal((await running).error.name, 'ContextRestarting')
  assert.equal((await sandbox.runCode('mine', { context })).error.name, 'NameError')
  await sandbox.removeCodeContext(context)
})

shared('runs of one context wait for each other', async (sandbox) => {
  await sandbox.runCode('order = []')
  await Promise.all([1, 2, 3].map((n) => sandbox.runCode(`import time; time.sleep(0.2); order.append(${n})`)))
  assert.equal((await sandbox.runCode('sorted(order)')).text, '[1, 2, 3]')
})

// The client goes away; nobody would ever see what comes of its run.
for (const [language, endless] of [['python', 'import time; time.sleep(600)'], ['python', 'while True: pass'], ['bash', 'while true; do sleep 100; done'], ['js', 'while (true) {}'], ['js', 'await new Promise(() => {})']]) {
  shared(`subsequent execution works after client timeout (${language}: ${endless})`, async (sandbox) => {
    await sandbox.runCode(language === 'bash' ? 'kept=7' : 'kept = 7', { language })
    await assert.rejects(sandbox.runCode(endless, { language, timeoutMs: 1000 }), /timed out|timeout/i)
    const after = await sandbox.runCode(language === 'bash' ? 'echo $kept' : 'kept', { language })
    assert.equal(after.text ?? after.logs.stdout.join('').trim(), '7')
  })
}

shared('an interrupt ends a run with its error', async (sandbox) => {
  const context = await sandbox.createCodeContext()
  const interrupt = `curl -sf -X POST 127.0.0.1:49999/contexts/${context.id}/interrupt`
  const { error } = await sandbox.runCode('import time\nprint("begun", flush=True)\ntime.sleep(600)', { context, onStdout: () => sandbox.commands.run(interrupt) })
  assert.equal(error.name, 'KeyboardInterrupt')
  await sandbox.removeCodeContext(context)
})

shared('a kernel that is killed is replaced, and the run says so', async (sandbox) => {
  const { error } = await sandbox.runCode('import os, signal; os.kill(os.getpid(), signal.SIGKILL)')
  assert.equal(error.name, 'KernelDied')
  assert.equal((await sandbox.runCode('1 + 1')).text, '2')
})

interpreterTest('code runs again after a filesystem-only pause', async (sandbox) => {
  await sandbox.runCode('gone = 1; open("kept.txt", "w").write("kept")')
  await sandbox.pause({ keepMemory: false })
  await sandbox.connect()
  const run = (code) => until('code that runs again', () => sandbox.runCode(code).catch(() => null), 180_000)
  assert.equal((await run('open("kept.txt").read()')).text, 'kept')
  assert.equal((await run('gone')).error.name, 'NameError')
})

shared('restart after code-interpreter kill', async (sandbox) => {
  await sandbox.commands.run("pkill -9 -f '[m]itos_interpreter'", { user: 'root' })
  const text = await until('code that runs again', () => sandbox.runCode('x = 1; x').then((execution) => execution.text, () => null), 180_000)
  assert.equal(text, '1')
})
