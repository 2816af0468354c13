import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { create, keep, remove, sandboxTest } from '../lib/sandboxes.mjs'
import { Sandbox } from '../lib/sdk.mjs'

const mitos = (...words) => promisify(execFile)(`${process.env.MITOS_BIN}/mitos`, words)

sandboxTest('O-12: a restart of the server leaves sandboxes, forks, pauses and snapshots as they are', async (source) => {
  await source.files.write('kept.txt', 'kept')
  const { pid } = await source.commands.run('sleep 3600', { background: true, timeoutMs: 0 })
  const [fork] = await source.fork({ timeoutMs: 600_000 })
  const paused = keep(await create({ timeoutMs: 600_000, metadata: { kept: 'yes' } }))
  await paused.pause()
  const { snapshotId } = await source.createSnapshot()
  const before = await Promise.all([source, fork, paused].map((one) => one.getInfo()))

  await mitos('down')
  await mitos('up')

  assert.deepEqual(await Promise.all([source, fork, paused].map((one) => one.getInfo())), before)
  for (const one of [source, fork]) {
    assert.equal(await one.files.read('kept.txt'), 'kept') // with the token that it had
    assert.ok((await one.commands.list()).some((info) => info.pid === pid))
  }
  await paused.connect()
  assert.equal(await paused.isRunning(), true)
  const made = await create({}, snapshotId)
  assert.equal(await made.files.read('kept.txt'), 'kept')
  const [again] = await fork.fork()
  assert.equal(await again.files.read('kept.txt'), 'kept')
  for (const one of [fork, paused, made, again]) await remove(one)
  await Sandbox.deleteSnapshot(snapshotId)
})
