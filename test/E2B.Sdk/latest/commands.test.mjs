import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create, keep, sharedTest } from '../lib/sandboxes.mjs'
import { sdk } from '../lib/sdk.mjs'
import { until } from '../lib/wait.mjs'

sharedTest('run with too short timeout', async (sandbox) => {
  const before = await sandbox.commands.list()
  await assert.rejects(sandbox.commands.run('exec -a over-soon sleep 600', { timeoutMs: 1000 }), sdk.TimeoutError)
  await until('the end of the process', async () => !(await sandbox.commands.run('pgrep -fx "over-soon 600" || true')).stdout)
  assert.equal((await sandbox.commands.list()).length, before.length)
})

sharedTest('run a command that fails', async (sandbox) => {
  const error = await sandbox.commands.run('echo partly; echo why >&2; exit 3').catch((e) => e)
  assert.ok(error instanceof sdk.CommandExitError)
  assert.deepEqual([error.exitCode, error.stdout, error.stderr, error.error], [3, 'partly\n', 'why\n', 'exit status 3'])
})

sharedTest('run as another user, in another directory', async (sandbox) => {
  assert.equal((await sandbox.commands.run('whoami; pwd')).stdout, 'user\n/home/user\n')
  assert.equal((await sandbox.commands.run('whoami; pwd; echo $HOME', { user: 'root' })).stdout, 'root\n/root\n/root\n')
  assert.equal((await sandbox.commands.run('pwd', { cwd: '/tmp' })).stdout, '/tmp\n')
  assert.equal((await sandbox.commands.run('sudo whoami')).stdout, 'root\n')
  await assert.rejects(sandbox.commands.run('true', { user: 'nobody-known' }), sdk.AuthenticationError)
  await assert.rejects(sandbox.commands.run('true', { cwd: '/not/there' }), sdk.InvalidArgumentError)
})

sharedTest('connect to process', async (sandbox) => {
  const started = await sandbox.commands.run('read line; echo "got $line"', { background: true, stdin: true })
  await started.disconnect()
  const heard = []
  const again = await sandbox.commands.connect(started.pid, { onStdout: (data) => heard.push(data) })
  assert.equal(again.pid, started.pid)
  await sandbox.commands.sendStdin(again.pid, 'it\n')
  const result = await again.wait()
  assert.equal(result.exitCode, 0)
  assert.equal(heard.join(''), 'got it\n')
})

sharedTest('connect to a non-existing process', async (sandbox) => {
  await assert.rejects(sandbox.commands.connect(999_999), sdk.NotFoundError)
})

sharedTest('kill process', async (sandbox) => {
  const { pid } = await sandbox.commands.run('sleep 600', { background: true })
  assert.equal(await sandbox.commands.kill(pid), true)
  await until('the end of the process', async () => !(await sandbox.commands.list()).some((info) => info.pid === pid))
  await assert.rejects(sandbox.commands.run(`kill -0 ${pid}`), sdk.CommandExitError)
})

sharedTest('kill non-existing process', async (sandbox) => {
  assert.equal(await sandbox.commands.kill(999_999), false)
})

sharedTest('a process that is killed says so', async (sandbox) => {
  const command = await sandbox.commands.run('exec sleep 600', { background: true })
  assert.equal(await command.kill(), true)
  const error = await command.wait().catch((e) => e)
  assert.ok(error instanceof sdk.CommandExitError)
  assert.match(error.error, /signal: killed/)
})

sharedTest('send stdin to process', async (sandbox) => {
  const command = await sandbox.commands.run('cat', { background: true, stdin: true })
  await sandbox.commands.sendStdin(command.pid, 'Hello, Wörld!')
  await until('the echo', () => command.stdout === 'Hello, Wörld!')
  await command.kill()
})

sharedTest('send empty and special characters to stdin', async (sandbox) => {
  const text = '!@#$%^&*()_+{}|:<>?\u0000ÄÖ\u{1F680}\n'
  const command = await sandbox.commands.run('cat', { background: true, stdin: true })
  await sandbox.commands.sendStdin(command.pid, '')
  await sandbox.commands.sendStdin(command.pid, text)
  await until('the echo', () => command.stdout === text)
  await command.kill()
})

sharedTest('close stdin via command handle', async (sandbox) => {
  const command = await sandbox.commands.run('cat; echo done', { background: true, stdin: true })
  await command.sendStdin('all of it\n')
  await command.closeStdin()
  const result = await command.wait()
  assert.equal(result.stdout, 'all of it\ndone\n')
})

sharedTest('a command without stdin reads its end at once', async (sandbox) => {
  assert.equal((await sandbox.commands.run('cat; echo done')).stdout, 'done\n')
})

sharedTest('list processes', async (sandbox) => {
  const commands = [await sandbox.commands.run('sleep 601', { background: true, cwd: '/tmp', envs: { FOO: 'bar' } }), await sandbox.commands.run('sleep 602', { background: true })]
  const listed = await sandbox.commands.list()
  for (const { pid } of commands) assert.ok(listed.some((info) => info.pid === pid))
  const first = listed.find((info) => info.pid === commands[0].pid)
  assert.equal(first.cmd, '/bin/bash')
  assert.deepEqual(first.args, ['-l', '-c', 'sleep 601'])
  assert.equal(first.cwd, '/tmp')
  assert.deepEqual([first.envs, listed.find((info) => info.pid === commands[1].pid).envs], [{ FOO: 'bar' }, {}])
  for (const command of commands) await command.kill()
})

sharedTest('much output arrives whole and in order', async (sandbox) => {
  const { stdout } = await sandbox.commands.run('seq 1 200000')
  assert.equal(stdout.length, 1_288_895)
  assert.ok(stdout.startsWith('1\n2\n') && stdout.endsWith('199999\n200000\n'))
})

sharedTest('output arrives while the command runs', async (sandbox) => {
  const command = await sandbox.commands.run('echo first; read line; echo second', { background: true, stdin: true })
  await until('the first line', () => command.stdout === 'first\n')
  await command.sendStdin('\n')
  assert.equal((await command.wait()).stdout, 'first\nsecond\n')
})

test('bash command scoped env vars', async () => {
  const sandbox = await create({ envs: { KEPT: 'global' } })
  assert.equal((await sandbox.commands.run('echo $KEPT', { envs: { KEPT: 'scoped' } })).stdout, 'scoped\n')
  assert.equal((await sandbox.commands.run('echo $KEPT')).stdout, 'global\n')
  assert.equal((await sandbox.commands.run('sudo echo $KEPT', { envs: { KEPT: 'scoped' } })).stdout, 'scoped\n')
})

test('killing the sandbox while a command is running throws an actionable error', async () => {
  const sandbox = keep(await create())
  const command = await sandbox.commands.run('sleep 600', { background: true })
  await sandbox.kill()
  const error = await command.wait().catch((e) => e)
  assert.ok(error instanceof sdk.TimeoutError, String(error))
  assert.match(error.message, /sandbox was killed or reached its end of life/)
})
