import assert from 'node:assert/strict'
import { sharedTest } from '../lib/sandboxes.mjs'
import { sdk } from '../lib/sdk.mjs'
import { until } from '../lib/wait.mjs'

const size = { cols: 80, rows: 24 }
const encode = (text) => new TextEncoder().encode(text)

/** A terminal whose output is collected. */
async function open(sandbox, options = {}) {
  const heard = collector()
  return { heard, terminal: await sandbox.pty.create({ ...size, onData: heard.onData, ...options }) }
}

function collector() {
  const decoder = new TextDecoder()
  const heard = { text: '', onData: (data) => { heard.text += decoder.decode(data, { stream: true }) } }
  return heard
}

sharedTest('create PTY', async (sandbox) => {
  const { heard, terminal } = await open(sandbox, { envs: { KEPT: 'kept' }, cwd: '/tmp' })
  await sandbox.pty.sendInput(terminal.pid, encode('echo "<$KEPT|$TERM|$LANG|$PWD>"; tty; exit\n'))
  const result = await terminal.wait()
  assert.equal(result.exitCode, 0)
  assert.match(heard.text, /<kept\|xterm-256color\|C\.UTF-8\|\/tmp>/)
  assert.match(heard.text, /\/dev\/pts\/\d+/)
})

sharedTest('pty connect/reconnect', async (sandbox) => {
  const { terminal } = await open(sandbox)
  await sandbox.pty.sendInput(terminal.pid, encode('KEPT=kept\n'))
  await terminal.disconnect()
  const heard = collector()
  const again = await sandbox.pty.connect(terminal.pid, { onData: heard.onData })
  assert.equal(again.pid, terminal.pid)
  await sandbox.pty.sendInput(again.pid, encode('echo "<$KEPT>"; exit\n'))
  assert.equal((await again.wait()).exitCode, 0)
  assert.match(heard.text, /<kept>/)
})

sharedTest('resize', async (sandbox) => {
  const { heard, terminal } = await open(sandbox)
  await sandbox.pty.sendInput(terminal.pid, encode('echo "<$(tput cols)x$(tput lines)>"\n'))
  await until('the first size', () => heard.text.includes('<80x24>'))
  await sandbox.pty.resize(terminal.pid, { cols: 101, rows: 33 })
  await sandbox.pty.sendInput(terminal.pid, encode('echo "<$(tput cols)x$(tput lines)>"; exit\n'))
  await terminal.wait()
  assert.match(heard.text, /<101x33>/)
})

sharedTest('kill PTY', async (sandbox) => {
  const { terminal } = await open(sandbox)
  assert.equal(await sandbox.pty.kill(terminal.pid), true)
  await assert.rejects(terminal.wait())
  assert.equal(await sandbox.pty.kill(terminal.pid), false)
})

sharedTest('kill non-existing PTY', async (sandbox) => {
  assert.equal(await sandbox.pty.kill(999_999), false)
})

sharedTest('a terminal of no size is refused', async (sandbox) => {
  await assert.rejects(sandbox.pty.create({ cols: 0, rows: 0, onData() {} }), sdk.InvalidArgumentError)
})
