import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create, remove, sandboxTest, sharedTest } from '../lib/sandboxes.mjs'
import { Sandbox } from '../lib/sdk.mjs'

sandboxTest('create', async (sandbox) => {
  assert.match(sandbox.sandboxId, /^i[a-z0-9]{20}$/)
  assert.equal(await sandbox.isRunning(), true)
})

sharedTest('run', async (sandbox) => {
  const result = await sandbox.commands.run('echo Hello; echo Again >&2')
  assert.deepEqual([result.exitCode, result.stdout, result.stderr], [0, 'Hello\n', 'Again\n'])
})

sharedTest('run with special characters', async (sandbox) => {
  const text = '!@#%^&*()_+{}|:<>?~[];,./ — ÄÖÜß Привет 世界 \u{1F680} \u0007'
  assert.equal((await sandbox.commands.run(`printf %s '${text}'`)).stdout, text)
})

sharedTest('run with multiline string', async (sandbox) => {
  const text = 'first line\n\n  third, indented\tand tabbed\n'
  assert.equal((await sandbox.commands.run(`cat <<'END'\n${text}END`)).stdout, text)
})

sharedTest('write file', async (sandbox) => {
  const written = await sandbox.files.write('written.txt', 'What was written.')
  assert.equal(written.path, '/home/user/written.txt')
  assert.equal(written.name, 'written.txt')
  assert.equal(written.type, 'file')
  assert.equal((await sandbox.commands.run('stat -c %U:%G:%s written.txt')).stdout, 'user:user:17\n')
})

sharedTest('read file', async (sandbox) => {
  await sandbox.commands.run(`printf 'Grüße\\n' > read.txt`)
  assert.equal(await sandbox.files.read('read.txt'), 'Grüße\n')
})

sharedTest('file exists', async (sandbox) => {
  await sandbox.files.write('there.txt', '')
  assert.equal(await sandbox.files.exists('there.txt'), true)
})

sharedTest('file does not exist', async (sandbox) => {
  assert.equal(await sandbox.files.exists('not-there.txt'), false)
})

test('sandbox global env vars', async () => {
  const sandbox = await create({ envs: { FOO: 'a b=c', BAR: '' } })
  const { stdout } = await sandbox.commands.run('echo "[$FOO]" "[${BAR-unset}]" "$E2B_SANDBOX" "$E2B_SANDBOX_ID" "$E2B_TEMPLATE_ID"')
  assert.equal(stdout, `[a b=c] [] true ${sandbox.sandboxId} base\n`)
  const run = await sandbox.commands.run('echo $FOO', { envs: { FOO: 'of the command' } })
  assert.equal(run.stdout, 'of the command\n')
  await remove(sandbox)
})

test('kill', async () => {
  const sandbox = await create()
  assert.equal(await sandbox.kill(), true)
  assert.equal(await sandbox.isRunning(), false)
  const running = await Sandbox.list({ query: { state: ['running'] } }).nextItems()
  assert.ok(!running.some((info) => info.sandboxId === sandbox.sandboxId))
  assert.equal(await sandbox.kill(), false)
})

test('kill non-existing sandbox', async () => {
  assert.equal(await Sandbox.kill('nonexistingsandbox'), false)
  assert.equal(await Sandbox.kill('i00000000000000000000'), false)
})
