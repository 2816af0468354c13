// Whatever a cell does, its run ends, and the next one works: in the same kernel, or in a new one where it died.
import assert from 'node:assert/strict'
import { sharedInterpreterTest as shared } from '../lib/interpreter.mjs'

const bash = { language: 'bash' }
const js = { language: 'js' }
const works = { python: ['print(6 * 7)', {}], bash: ['echo 42', bash], js: ['console.log(42)', js] }

async function worksAfter(sandbox, language) {
  const [code, options] = works[language]
  const { logs, error } = await sandbox.runCode(code, options)
  assert.deepEqual([logs.stdout.join(''), error], ['42\n', undefined])
}

// [what happens, cell, name of the error that ends it; undefined: none]
const cells = {
  python: [
    ['a NUL in the code', 'x = 1\0', 'ValueError'],
    ['half a character in an error', "raise ValueError('\\ud800')", 'ValueError'],
    ['half a character in the output', "print('\\ud800')", undefined],
    ['sys.exit()', 'import sys; sys.exit(3)', 'SystemExit'],
    ['an interrupt of its own', 'raise KeyboardInterrupt', 'KeyboardInterrupt'],
    ['an error that cannot be shown', 'class E(Exception):\n  def __str__(self): raise SystemExit\nraise E', 'SystemExit'],
    ['exit()', 'exit()', 'KernelDied'],
    ['os._exit()', 'import os; os._exit(4)', 'KernelDied'],
    ['a crash', 'import ctypes; ctypes.string_at(0)', 'KernelDied'],
    ['a child that comes to the end of the cell', 'import os\npid = os.fork()\nassert not pid or os.waitpid(pid, 0)[1] == 0', undefined],
    ['a child that exits', 'import os, sys\nif os.fork() == 0: sys.exit(5)\nassert os.waitstatus_to_exitcode(os.wait()[1]) == 5', undefined],
    ['a closed stdout', 'import sys; sys.stdout.close()', undefined],
    ['no stdout', 'import sys; sys.stdout = sys.stderr = None', undefined],
    ['closed descriptors', 'import os\nfor i in range(3): os.close(i)', undefined],
    ['input()', "input('?')", 'StdinNotImplementedError'],
    ['recursion', 'def f(): f()\nf()', 'RecursionError'],
    ['an expression too deep for the compiler', '"x" + ".a" * 100000 and eval("x" + ".a" * 100000)', 'RecursionError'],
    ['a cell too deep for the compiler', 'x' + '.a'.repeat(30_000), 'RecursionError'],
    ['a result too deep to be sent', 'from IPython.display import JSON\na = []\nfor i in range(2000): a = [a]\nJSON(a)', 'OutputLost'],
    ['no memory', 'bytearray(1 << 60)', 'MemoryError'],
    ['tasks that are cancelled with the kernel\'s own', 'import asyncio\nfor task in asyncio.all_tasks(): task.cancel()', undefined],
    ['a task that exits', 'import asyncio, sys\nasync def leave(): sys.exit(2)\ntask = asyncio.create_task(leave()); await asyncio.sleep(5)', 'KernelDied'],
    ['a kernel that can no longer answer', 'get_ipython().kernel.session = None', 'KernelDied'],
    ['the interpreter\'s directory is gone', 'import os, shutil; shutil.rmtree("/run/mitos-interpreter"); os._exit(1)', 'KernelDied'],
  ],
  bash: [
    ['continue', 'continue', undefined],
    ['break', 'break', undefined],
    ['continue, out of too many loops', 'for i in 1; do continue 9; done', 'KernelDied'],
    ['a shell that executes nothing more', 'set -n', 'KernelDied'],
    ['a trap that skips all commands', 'shopt -s extdebug; trap false DEBUG', 'KernelDied'],
    ['functions with the names of builtins', 'echo() { :; }; read() { :; }; source() { :; }; eval() { :; }; unset -f echo', undefined],
    ['exec', 'exec true', 'KernelDied'],
    ['set -e', 'set -e; false', 'KernelDied'],
    ['read', 'read x', 'ExitCode'],
    ['a NUL in the code', 'echo a\0b', undefined],
    ['half a character in the code', "echo '\ud800'", 'KernelFailed'],
  ],
  js: [
    ['a NUL in the code', '\0', 'SyntaxError'],
    ['an error that cannot be looked at', 'throw new Proxy({}, { get() { throw 1 } })', 'Error'],
    ['an error without a name', "const e = new Error(); e.name = Symbol('a'); throw e", 'Error'],
    ['an error of a timer that cannot be looked at', 'setTimeout(() => { throw new Proxy({}, { get() { throw 1 } }) }, 1); await new Promise(done => setTimeout(done, 100))', undefined],
    ['JSON is gone', 'JSON = null', undefined],
    ['prototypes are spoilt', 'Object.prototype.toJSON = () => { throw 1 }', 'KernelDied'],
    ['an exit', 'process.exit(3)', 'KernelDied'],
    ['recursion', 'function f() { f() } f()', 'RangeError'],
    ['a result too deep to be sent', 'let deep = []; for (let i = 0; i < 3000; i++) deep = [deep]; deep', 'RecursionError'],
    ['an await of what never comes, after a removed handler', 'process.removeAllListeners("uncaughtException"); setTimeout(() => { throw 1 }, 1); await new Promise(() => {})', 'KernelDied'],
  ],
}

for (const [language, list] of Object.entries(cells)) {
  for (const [title, code, name] of list) {
    shared(`a run ends, and the next one works (${language}: ${title})`, async (sandbox) => {
      assert.equal((await sandbox.runCode(code, works[language][1])).error?.name, name)
      await worksAfter(sandbox, language)
    })
  }
}

shared('a kernel that stopped itself hears the interrupt of a client that went away', async (sandbox) => {
  await sandbox.runCode('kept = 7')
  await assert.rejects(sandbox.runCode('import os, signal; os.kill(os.getpid(), signal.SIGSTOP)', { timeoutMs: 1000 }), /timed out|timeout/i)
  assert.equal((await sandbox.runCode('kept')).text, '7')
})

shared('output has the time at which it was written, in every language', async (sandbox) => {
  for (const [language, code] of [['python', 'import sys; print(1); print(2, file=sys.stderr)'], ['bash', 'echo 1; echo 2 >&2'], ['js', 'console.log(1); console.error(2)']]) {
    const times = []
    const response = await fetch(`${process.env.E2B_SANDBOX_URL}/execute`, {
      method: 'POST', body: JSON.stringify({ code, language }),
      headers: { 'E2b-Sandbox-Id': sandbox.sandboxId, 'E2b-Sandbox-Port': '49999', 'X-Access-Token': sandbox.envdAccessToken },
    })
    for (const line of (await response.text()).trim().split('\n')) {
      const event = JSON.parse(line)
      if (event.type === 'stdout' || event.type === 'stderr') times.push([event.type, Number.isNaN(Date.parse(event.timestamp))])
    }
    assert.deepEqual(times.sort(), [['stderr', false], ['stdout', false]], language)
  }
})
