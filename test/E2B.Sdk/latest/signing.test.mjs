import assert from 'node:assert/strict'
import { sharedTest } from '../lib/sandboxes.mjs'

const day = 24 * 3600
const form = (content) => {
  const data = new FormData()
  data.append('file', content) // a part without a file name
  return { method: 'POST', body: data }
}
const expired = { code: 401, message: 'signature is already expired' }

sharedTest('file signing test access file with valid signing', async (sandbox) => {
  await sandbox.files.write('hello.txt', 'hello world')
  const answer = await fetch(await sandbox.downloadUrl('hello.txt', { useSignatureExpiration: day }))
  assert.deepEqual([answer.status, await answer.text()], [200, 'hello world'])
})

sharedTest('a browser is told what a file is by its name', async (sandbox) => {
  await sandbox.files.write('page.html', '<h1>ü</h1>')
  const answer = await fetch(await sandbox.downloadUrl('page.html'))
  assert.deepEqual([answer.status, answer.headers.get('content-type'), await answer.text()], [200, 'text/html; charset=utf-8', '<h1>ü</h1>'])
})

sharedTest('file signing test access file with valid signing as root', async (sandbox) => {
  await sandbox.files.write('hello.txt', 'hello root', { user: 'root' })
  const answer = await fetch(await sandbox.downloadUrl('hello.txt', { user: 'root', useSignatureExpiration: day }))
  assert.deepEqual([answer.status, await answer.text()], [200, 'hello root'])
})

sharedTest('file signing test access file with expired signing', async (sandbox) => {
  const answer = await fetch(await sandbox.downloadUrl('hello.txt', { useSignatureExpiration: -day }))
  assert.deepEqual([answer.status, await answer.json()], [401, expired])
})

sharedTest('file signing test upload file with valid signing', async (sandbox) => {
  const answer = await fetch(await sandbox.uploadUrl('hello.txt', { useSignatureExpiration: day }), form('file content'))
  assert.deepEqual([answer.status, await answer.text()], [200, '[{"name":"hello.txt","path":"/home/user/hello.txt","type":"file"}]'])
  assert.equal(await sandbox.files.read('hello.txt'), 'file content')
})

sharedTest('file signing test upload file with valid signing as root user', async (sandbox) => {
  const answer = await fetch(await sandbox.uploadUrl('hello.txt', { user: 'root', useSignatureExpiration: day }), form('file content'))
  assert.deepEqual([answer.status, await answer.text()], [200, '[{"name":"hello.txt","path":"/root/hello.txt","type":"file"}]'])
})

sharedTest('file signing test upload file with invalid signing', async (sandbox) => {
  const answer = await fetch(await sandbox.uploadUrl('hello.txt', { useSignatureExpiration: -day }), form('file content'))
  assert.deepEqual([answer.status, await answer.json()], [401, expired])
})

sharedTest('secure sandbox test access file with signing', async (sandbox) => {
  await sandbox.files.write('secret.txt', 'a secret')
  const url = await sandbox.downloadUrl('secret.txt')
  assert.equal(await (await fetch(url)).text(), 'a secret')
  const without = new URL(url)
  without.searchParams.delete('signature')
  assert.equal((await fetch(without)).status, 401)
})

sharedTest('a signature is good for its file, its user and its direction only', async (sandbox) => {
  await sandbox.files.write('signed.txt', 'text')
  const url = await sandbox.downloadUrl('signed.txt', { useSignatureExpiration: day })
  const changed = (name, value) => {
    const other = new URL(url)
    other.searchParams.set(name, value)
    return other
  }
  for (const other of [changed('path', '/etc/passwd'), changed('username', 'root'), changed('signature_expiration', '99999999999')]) {
    const answer = await fetch(other)
    assert.equal(answer.status, 401, other.search)
    assert.equal((await answer.json()).code, 401)
  }
  assert.equal((await fetch(url, form('overwritten'))).status, 401)
  assert.equal(await sandbox.files.read('signed.txt'), 'text')
})
