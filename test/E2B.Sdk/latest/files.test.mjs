import assert from 'node:assert/strict'
import { sharedTest } from '../lib/sandboxes.mjs'
import { sdk } from '../lib/sdk.mjs'

let directories = 0

/** A test with an empty directory of its own. */
const filesTest = (title, run) => sharedTest(title, async (sandbox) => {
  const directory = `/home/user/test-${++directories}`
  await sandbox.files.makeDir(directory)
  await run(sandbox.files, directory, sandbox)
})

filesTest('list directory', async (files, directory) => {
  for (const path of ['one/two/three', 'other']) await files.makeDir(`${directory}/${path}`)
  await files.write(`${directory}/file.txt`, 'text')
  const names = async (depth) => (await files.list(directory, { depth })).map((entry) => entry.path.slice(directory.length + 1)).sort()
  assert.deepEqual(await names(undefined), ['file.txt', 'one', 'other'])
  assert.deepEqual(await names(1), ['file.txt', 'one', 'other'])
  assert.deepEqual(await names(2), ['file.txt', 'one', 'one/two', 'other'])
  assert.deepEqual(await names(3), ['file.txt', 'one', 'one/two', 'one/two/three', 'other'])
})

filesTest('list directory with invalid depth', async (files, directory) => {
  await assert.rejects(files.list(directory, { depth: -1 }), /depth should be at least one/)
})

filesTest('list what is not there, or no directory', async (files, directory) => {
  await assert.rejects(files.list(`${directory}/none`), sdk.NotFoundError)
  await files.write(`${directory}/file.txt`, '')
  await assert.rejects(files.list(`${directory}/file.txt`), sdk.InvalidArgumentError)
})

filesTest('directory entry details', async (files, directory) => {
  const before = Date.now()
  await files.makeDir(`${directory}/sub`)
  const [entry] = await files.list(directory)
  assert.deepEqual([entry.name, entry.path, entry.type], ['sub', `${directory}/sub`, 'dir'])
  assert.deepEqual([entry.mode, entry.permissions, entry.owner, entry.group], [0o755, 'drwxr-xr-x', 'user', 'user'])
  assert.ok(Math.abs(entry.modifiedTime.getTime() - before) < 120_000)
})

filesTest('file entry details', async (files, directory) => {
  await files.write(`${directory}/file.txt`, 'Grüße')
  const [entry] = await files.list(directory)
  assert.deepEqual([entry.name, entry.path, entry.type, entry.size], ['file.txt', `${directory}/file.txt`, 'file', 7])
  assert.deepEqual([entry.mode, entry.permissions, entry.owner, entry.group], [0o644, '-rw-r--r--', 'user', 'user'])
  assert.equal(entry.symlinkTarget, undefined)
})

filesTest('get info of a file', async (files, directory) => {
  await files.write(`${directory}/file.txt`, 'four')
  const info = await files.getInfo(`${directory}/file.txt`)
  assert.deepEqual([info.name, info.path, info.type, info.size, info.owner], ['file.txt', `${directory}/file.txt`, 'file', 4, 'user'])
  await assert.rejects(files.getInfo(`${directory}/none`), sdk.NotFoundError)
})

filesTest('get info of a directory', async (files, directory) => {
  const info = await files.getInfo(directory)
  assert.deepEqual([info.type, info.permissions, info.path], ['dir', 'drwxr-xr-x', directory])
})

filesTest('get info of a symlink', async (files, directory, sandbox) => {
  await files.write(`${directory}/target.txt`, 'text')
  await sandbox.commands.run('ln -s target.txt link.txt', { cwd: directory })
  const info = await files.getInfo(`${directory}/link.txt`)
  assert.deepEqual([info.name, info.symlinkTarget], ['link.txt', `${directory}/target.txt`])
  const listed = (await files.list(directory)).find((entry) => entry.name === 'link.txt')
  assert.equal(listed.symlinkTarget, `${directory}/target.txt`)
})

filesTest('make directory', async (files, directory) => {
  assert.equal(await files.makeDir(`${directory}/a/b/c`), true)
  assert.equal(await files.makeDir(`${directory}/a/b/c`), false)
  await files.write(`${directory}/file`, '')
  await assert.rejects(files.makeDir(`${directory}/file`), sdk.InvalidArgumentError)
})

filesTest('rename file', async (files, directory) => {
  await files.write(`${directory}/old.txt`, 'kept')
  const info = await files.rename(`${directory}/old.txt`, `${directory}/deep/er/new.txt`)
  assert.equal(info.path, `${directory}/deep/er/new.txt`)
  assert.equal(await files.exists(`${directory}/old.txt`), false)
  assert.equal(await files.read(info.path), 'kept')
  await assert.rejects(files.rename(`${directory}/none.txt`, `${directory}/x`), sdk.NotFoundError)
})

filesTest('remove file', async (files, directory) => {
  await files.write(`${directory}/sub/file.txt`, '')
  await files.remove(`${directory}/sub/file.txt`)
  assert.equal(await files.exists(`${directory}/sub/file.txt`), false)
  await files.write(`${directory}/sub/file.txt`, '')
  await files.remove(`${directory}/sub`)
  assert.equal(await files.exists(`${directory}/sub`), false)
  await files.remove(`${directory}/sub`) // what is not there needs no removing
})

filesTest('write file that already exists', async (files, directory) => {
  await files.write(`${directory}/file.txt`, 'the first, which is longer')
  await files.write(`${directory}/file.txt`, 'the second')
  assert.equal(await files.read(`${directory}/file.txt`), 'the second')
})

filesTest('write to non-existing directory', async (files, directory) => {
  await files.write(`${directory}/made/for/it.txt`, 'text')
  assert.equal(await files.read(`${directory}/made/for/it.txt`), 'text')
  assert.equal((await files.getInfo(`${directory}/made/for`)).owner, 'user')
})

filesTest('write relative to the home, and with ~', async (files, _directory, sandbox) => {
  assert.equal((await files.write('relative.txt', '')).path, '/home/user/relative.txt')
  assert.equal((await files.write('~/tilde.txt', '')).path, '/home/user/tilde.txt')
  assert.equal((await files.write('of-root.txt', '', { user: 'root' })).path, '/root/of-root.txt')
  assert.equal((await sandbox.commands.run('stat -c %U /root/of-root.txt', { user: 'root' })).stdout, 'root\n')
})

filesTest('the default user writes, lists and reads where only root may, and owns what is made', async (files, _directory, sandbox) => {
  await files.write('/app/main.py', 'print(1)')
  assert.equal((await files.getInfo('/app')).owner, 'user')
  assert.equal((await sandbox.commands.run('python3 /app/main.py && echo >> /app/main.py')).stdout, '1\n')
  assert.equal(await files.makeDir('/workspace'), true)
  assert.equal((await files.getInfo('/workspace')).owner, 'user')
  assert.equal(await files.exists('/root/.bashrc'), true)
  assert.ok((await files.list('/root')).some((entry) => entry.name === '.bashrc'))
  await sandbox.commands.run('echo old > /opt/f && chmod 600 /opt/f', { user: 'root' })
  await files.write('/opt/f', 'new')
  assert.deepEqual([await files.read('/opt/f'), (await files.getInfo('/opt/f')).owner], ['new', 'user'])
  const handle = await files.watchDir('/root', () => {})
  await handle.stop()
  for (const path of ['/app', '/workspace', '/opt/f']) await files.remove(path)
  assert.equal(await files.exists('/workspace'), false)
})

filesTest('writeFiles with multiple files', async (files, directory) => {
  const entries = [...Array(5).keys()].map((index) => ({ path: `${directory}/${index} ü.txt`, data: `File ${index}` }))
  entries.push({ path: `${directory}/bytes`, data: new Uint8Array([0, 255, 10, 13]).buffer }, { path: `${directory}/blob`, data: new Blob(['of a blob']) })
  const infos = await files.writeFiles(entries)
  assert.deepEqual(infos.map((info) => info.path), entries.map((entry) => entry.path))
  for (let index = 0; index < 5; index++) assert.equal(await files.read(entries[index].path), `File ${index}`)
  assert.deepEqual([...(await files.read(`${directory}/bytes`, { format: 'bytes' }))], [0, 255, 10, 13])
  assert.equal(await files.read(`${directory}/blob`), 'of a blob')
})

filesTest('writeFiles with no files', async (files) => {
  assert.deepEqual(await files.writeFiles([]), [])
})

filesTest('write ReadableStream with octet stream upload and gzip', async (files, directory) => {
  const chunks = [...Array(40).keys()].map((index) => new Uint8Array(64 << 10).fill(index))
  const data = () => ReadableStream.from(chunks)
  const expected = Buffer.concat(chunks)
  for (const options of [{ useOctetStream: true }, { useOctetStream: true, gzip: true }, {}, { gzip: true }]) {
    const path = `${directory}/${JSON.stringify(options).replaceAll(/\W/g, '')}.bin`
    assert.equal((await files.write(path, data(), options)).path, path)
    assert.ok(expected.equals(Buffer.from(await files.read(path, { format: 'bytes' }))), path)
  }
})

filesTest('read with gzip', async (files, directory) => {
  const text = 'gets small '.repeat(10_000)
  await files.write(`${directory}/file.txt`, text, { gzip: true })
  assert.equal(await files.read(`${directory}/file.txt`, { gzip: true }), text)
})

filesTest('read file as bytes, blob and stream', async (files, directory) => {
  const path = `${directory}/file.bin`
  await files.write(path, new Uint8Array([1, 0, 254]).buffer)
  assert.deepEqual([...(await files.read(path, { format: 'bytes' }))], [1, 0, 254])
  assert.deepEqual([...new Uint8Array(await (await files.read(path, { format: 'blob' })).arrayBuffer())], [1, 0, 254])
  const read = []
  for await (const chunk of await files.read(path, { format: 'stream' })) read.push(...chunk)
  assert.deepEqual(read, [1, 0, 254])
})

filesTest('read empty file', async (files, directory) => {
  await files.write(`${directory}/empty`, '')
  assert.equal(await files.read(`${directory}/empty`), '')
  assert.equal((await files.read(`${directory}/empty`, { format: 'bytes' })).length, 0)
})

filesTest('read what has no size', async (files) => {
  assert.match(await files.read('/proc/sys/kernel/random/boot_id'), /^[0-9a-f-]{36}\n$/)
  assert.match(await files.read('/proc/version', { gzip: true }), /^Linux version/)
})

filesTest('read non-existing file', async (files, directory) => {
  await assert.rejects(files.read(`${directory}/none`), sdk.NotFoundError)
  await assert.rejects(files.read(directory), sdk.InvalidArgumentError)
})
