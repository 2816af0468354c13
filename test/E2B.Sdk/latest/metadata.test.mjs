import assert from 'node:assert/strict'
import { sharedTest } from '../lib/sandboxes.mjs'

const metadata = { author: 'somebody', purpose: 'a test, of metadata' }

for (const options of [{}, { useOctetStream: true }, { useOctetStream: true, gzip: true }]) {
  sharedTest(`write file with metadata${options.useOctetStream ? ' using octet-stream' : ''}${options.gzip ? ' and gzip' : ''}`, async ({ files }) => {
    assert.deepEqual((await files.write('with.txt', 'text', { metadata, ...options })).metadata, metadata)
    assert.deepEqual((await files.getInfo('with.txt')).metadata, metadata)
    await files.remove('with.txt')
  })
}

sharedTest('write file without metadata', async ({ files }) => {
  assert.equal((await files.write('without.txt', 'text')).metadata, undefined)
  assert.equal((await files.getInfo('without.txt')).metadata, undefined)
})

sharedTest('writeFiles applies metadata to every file', async ({ files }) => {
  const infos = await files.writeFiles([{ path: 'many/1.txt', data: '1' }, { path: 'many/2.txt', data: '2' }], { metadata })
  assert.deepEqual(infos.map((info) => info.metadata), [metadata, metadata])
  for (const { path } of infos) assert.deepEqual((await files.getInfo(path)).metadata, metadata)
})

sharedTest('metadata is surfaced when listing', async ({ files }) => {
  await files.write('listed/file.txt', 'text', { metadata })
  const [entry] = await files.list('listed')
  assert.deepEqual(entry.metadata, metadata)
})

sharedTest('metadata is surfaced after rename', async ({ files }) => {
  await files.write('old.txt', 'text', { metadata })
  assert.deepEqual((await files.rename('old.txt', 'new.txt')).metadata, metadata)
})

sharedTest('overwriting a file clears stale metadata', async ({ files }) => {
  await files.write('stale.txt', 'first', { metadata })
  assert.equal((await files.write('stale.txt', 'second')).metadata, undefined)
  assert.equal((await files.getInfo('stale.txt')).metadata, undefined)
})

sharedTest('metadata set via xattrs is surfaced in getInfo', async ({ files, commands }) => {
  await files.write('xattr.txt', 'text')
  await commands.run(`python3 -c "import os; os.setxattr('xattr.txt', 'user.e2b.author', b'somebody')"`)
  assert.deepEqual((await files.getInfo('xattr.txt')).metadata, { author: 'somebody' })
})
