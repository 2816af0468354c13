import assert from 'node:assert/strict'
import { sharedTest } from '../lib/sandboxes.mjs'
import { sdk } from '../lib/sdk.mjs'
import { until } from '../lib/wait.mjs'

const { FilesystemEventType: Type } = sdk

async function watch(sandbox, directory, options) {
  const events = []
  const handle = await sandbox.files.watchDir(directory, (event) => void events.push(event), options)
  const seen = (type, name) => until(`${type} of ${name}`, () => events.find((event) => event.type === type && event.name === name))
  return { handle, events, seen }
}

sharedTest('watch directory changes', async (sandbox) => {
  await sandbox.files.write('watched/file.txt', 'before')
  const { handle, seen } = await watch(sandbox, 'watched')
  await sandbox.files.write('watched/file.txt', 'after')
  await seen(Type.WRITE, 'file.txt')
  await sandbox.commands.run('echo text > watched/new.txt && chmod 600 watched/new.txt && mv watched/new.txt watched/moved.txt && rm watched/moved.txt')
  await seen(Type.CREATE, 'new.txt')
  await seen(Type.WRITE, 'new.txt')
  await seen(Type.CHMOD, 'new.txt')
  await seen(Type.RENAME, 'new.txt')
  await seen(Type.CREATE, 'moved.txt')
  await seen(Type.REMOVE, 'moved.txt')
  await handle.stop()
})

sharedTest('a watch that was stopped hears nothing more', async (sandbox) => {
  await sandbox.files.makeDir('stopped')
  const exits = []
  const { handle, events } = await watch(sandbox, 'stopped', { onExit: (error) => void exits.push(error) })
  await handle.stop()
  await until('its exit', () => exits.length === 1)
  await sandbox.files.write('stopped/file.txt', '')
  assert.deepEqual(events, [])
})

sharedTest('watch recursive directory changes', async (sandbox) => {
  await sandbox.files.write('recursive/nested/file.txt', 'before')
  const { handle, seen } = await watch(sandbox, 'recursive', { recursive: true })
  await sandbox.files.write('recursive/nested/file.txt', 'after')
  await seen(Type.WRITE, 'nested/file.txt')
  await handle.stop()
})

sharedTest('watch recursive directory after nested folder addition', async (sandbox) => {
  await sandbox.files.makeDir('growing')
  const { handle, seen } = await watch(sandbox, 'growing', { recursive: true })
  await sandbox.files.makeDir('growing/nested')
  await seen(Type.CREATE, 'nested')
  await sandbox.files.write('growing/nested/file.txt', 'text')
  await seen(Type.WRITE, 'nested/file.txt')
  await handle.stop()
})

sharedTest('watch with entry info', async (sandbox) => {
  await sandbox.files.makeDir('with-entries')
  const { handle, seen } = await watch(sandbox, 'with-entries', { includeEntry: true })
  await sandbox.files.write('with-entries/file.txt', 'four')
  const { entry } = await seen(Type.WRITE, 'file.txt')
  assert.deepEqual([entry.name, entry.path, entry.type, entry.size], ['file.txt', '/home/user/with-entries/file.txt', 'file', 4])
  await handle.stop()
})

sharedTest('watch non-existing directory', async (sandbox) => {
  await assert.rejects(sandbox.files.watchDir('not-there', () => {}), sdk.NotFoundError)
})

sharedTest('watch file', async (sandbox) => {
  await sandbox.files.write('no-directory.txt', '')
  await assert.rejects(sandbox.files.watchDir('no-directory.txt', () => {}), sdk.InvalidArgumentError)
})
