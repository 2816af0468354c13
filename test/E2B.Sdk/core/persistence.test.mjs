import assert from 'node:assert/strict'
import { test } from 'node:test'
import { create, keep, remove, sandboxTest } from '../lib/sandboxes.mjs'
import { Sandbox, sdk } from '../lib/sdk.mjs'

sandboxTest('pause and resume a sandbox', async (sandbox) => {
  assert.equal(await sandbox.pause(), true)
  assert.equal(await sandbox.isRunning(), false)
  assert.equal((await sandbox.getInfo()).state, 'paused')
  assert.equal(await sandbox.pause(), false) // it is already
  const resumed = await sandbox.connect()
  assert.equal(resumed.sandboxId, sandbox.sandboxId)
  assert.equal(await resumed.isRunning(), true)
  assert.equal((await resumed.getInfo()).state, 'running')
})

sandboxTest('pause and resume a sandbox with ongoing long running process', async (sandbox) => {
  const command = await sandbox.commands.run('sleep 3600', { background: true, timeoutMs: 0 })
  await sandbox.pause()
  await sandbox.connect()
  const running = await sandbox.commands.list()
  assert.ok(running.some((info) => info.pid === command.pid), `${command.pid} is not one of ${running.map((info) => info.pid)}`)
  await command.disconnect().catch(() => {})
})

sandboxTest('pause and resume a sandbox with file', async (sandbox) => {
  await sandbox.files.write('kept.txt', 'kept')
  await sandbox.pause()
  await sandbox.connect()
  assert.equal(await sandbox.files.read('kept.txt'), 'kept')
})

test('pause and resume a sandbox with env vars', async () => {
  const sandbox = await create({ envs: { KEPT: 'yes' } })
  await sandbox.pause()
  await sandbox.connect()
  assert.equal((await sandbox.commands.run('echo $KEPT $E2B_SANDBOX_ID')).stdout, `yes ${sandbox.sandboxId}\n`)
  await remove(sandbox)
})

sandboxTest('create a snapshot from sandbox', async (sandbox) => {
  const snapshot = await sandbox.createSnapshot()
  assert.ok(snapshot.snapshotId.length > 0)
  assert.equal(await sandbox.isRunning(), true)
  assert.equal((await sandbox.commands.run('echo on')).stdout, 'on\n')
  await Sandbox.deleteSnapshot(snapshot.snapshotId)
})

sandboxTest('create sandbox from snapshot', async (sandbox) => {
  await sandbox.files.write('of-the-snapshot.txt', 'there')
  const { snapshotId } = await sandbox.createSnapshot()
  const made = await create({}, snapshotId)
  assert.notEqual(made.sandboxId, sandbox.sandboxId)
  assert.equal(await made.files.read('of-the-snapshot.txt'), 'there')
  assert.equal((await made.getInfo()).templateId, snapshotId)
  await remove(made)
  await Sandbox.deleteSnapshot(snapshotId)
})

sandboxTest('create multiple sandboxes from same snapshot', async (sandbox) => {
  await sandbox.files.write('shared.txt', 'original')
  const { snapshotId } = await sandbox.createSnapshot()
  const [one, other] = await Promise.all([create({}, snapshotId), create({}, snapshotId)])
  await one.files.write('shared.txt', 'changed')
  assert.equal(await other.files.read('shared.txt'), 'original')
  assert.equal(await sandbox.files.read('shared.txt'), 'original')
  await Promise.all([remove(one), remove(other)])
  await Sandbox.deleteSnapshot(snapshotId)
})

sandboxTest('list snapshots for specific sandbox', async (sandbox) => {
  const taken = [await sandbox.createSnapshot(), await sandbox.createSnapshot()].map((snapshot) => snapshot.snapshotId)
  const listed = []
  const pages = sandbox.listSnapshots({ limit: 1 })
  while (pages.hasNext) listed.push(...(await pages.nextItems()).map((snapshot) => snapshot.snapshotId))
  assert.deepEqual(listed, taken.toReversed())
  for (const id of taken) assert.equal(await Sandbox.deleteSnapshot(id), true)
  assert.deepEqual(await sandbox.listSnapshots().nextItems(), [])
})

sandboxTest('create a named snapshot', async (sandbox) => {
  const name = `snap-${sandbox.sandboxId}`
  const snapshot = await sandbox.createSnapshot({ name })
  const listed = await sandbox.listSnapshots().nextItems()
  assert.deepEqual(listed.map((one) => one.snapshotId), [snapshot.snapshotId])
  assert.ok(snapshot.names.some((full) => full.includes(name)), snapshot.names.join())
  const made = await create({}, snapshot.snapshotId)
  await remove(made)
  await Sandbox.deleteSnapshot(snapshot.snapshotId)
})

sandboxTest('list snapshots filtered by name', async (sandbox) => {
  const name = `snap-filter-${sandbox.sandboxId}`
  const { snapshotId } = await sandbox.createSnapshot({ name })
  const listed = async (wanted) => (await Sandbox.listSnapshots({ name: wanted }).nextItems()).map((snapshot) => snapshot.snapshotId)
  assert.deepEqual(await listed(name), [snapshotId])
  assert.deepEqual(await listed(`${name}:default`), [snapshotId])
  assert.deepEqual(await listed(`${name}-does-not-exist`), [])
  await Sandbox.deleteSnapshot(snapshotId)
})

sandboxTest('delete snapshot', async (sandbox) => {
  const { snapshotId } = await sandbox.createSnapshot()
  assert.equal(await Sandbox.deleteSnapshot(snapshotId), true)
  assert.equal(await Sandbox.deleteSnapshot(snapshotId), false)
  await assert.rejects(create({}, snapshotId))
})

sandboxTest('connect resumes paused sandbox', async (sandbox) => {
  await sandbox.pause()
  const connected = await Sandbox.connect(sandbox.sandboxId)
  assert.equal(await connected.isRunning(), true)
  assert.equal((await connected.commands.run('echo woken')).stdout, 'woken\n')
})

sandboxTest('connect does not shorten timeout on running sandbox', async (sandbox) => {
  await sandbox.setTimeout(300_000)
  const before = (await sandbox.getInfo()).endAt
  const connected = await Sandbox.connect(sandbox.sandboxId, { timeoutMs: 10_000 })
  assert.deepEqual((await connected.getInfo()).endAt, before)
  await Sandbox.connect(sandbox.sandboxId, { timeoutMs: 900_000 })
  assert.ok((await connected.getInfo()).endAt > before)
})

test('connect to non-running sandbox', async () => {
  const sandbox = await create()
  await remove(sandbox)
  await assert.rejects(Sandbox.connect(sandbox.sandboxId), sdk.SandboxNotFoundError)
})

test('kill a paused sandbox', async () => {
  const sandbox = keep(await create())
  await sandbox.pause()
  assert.equal(await sandbox.kill(), true)
  await assert.rejects(sandbox.getInfo(), sdk.SandboxNotFoundError)
})
