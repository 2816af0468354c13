// What is stored and validated; nothing here needs the internet.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { api } from '../lib/http.mjs'
import { create, remove, sharedTest } from '../lib/sandboxes.mjs'

test('a network is kept with the sandbox', async () => {
  const sandbox = await create({ network: { allowOut: ['1.1.1.1'], denyOut: ['0.0.0.0/0'] }, allowInternetAccess: false })
  const info = await sandbox.getInfo()
  assert.deepEqual([info.network.allowOut, info.network.denyOut, info.allowInternetAccess], [['1.1.1.1'], ['0.0.0.0/0'], false])
  await remove(sandbox)
})

test('updateNetwork clears what it does not name', async () => {
  const sandbox = await create({ network: { allowOut: ['1.1.1.1'], denyOut: ['0.0.0.0/0'], maskRequestHost: 'kept.example.com' } })
  await sandbox.updateNetwork({ denyOut: ['8.8.8.8', '10.0.0.0/8'] })
  const { network } = await sandbox.getInfo()
  assert.deepEqual([network.allowOut ?? [], network.denyOut], [[], ['8.8.8.8', '10.0.0.0/8']])
  assert.equal(network.maskRequestHost, 'kept.example.com') // which an update cannot name
  await remove(sandbox)
})

sharedTest('a network that makes no sense is refused', async (sandbox) => {
  const rules = Object.fromEntries([...Array(11).keys()].map((index) => [`${index}.example.com`, [{}]]))
  for (const network of [{ denyOut: ['example.com'] }, { denyOut: 'all' }, { allowOut: ['example.com'] }, { rules }, { rules: { 'example.com': [{}, {}] } }, { rules: [] }, { egressProxy: { address: 'proxy.example.com' } }]) {
    const { status, json } = await api('PUT', `/sandboxes/${sandbox.sandboxId}/network`, network)
    assert.deepEqual([status, json?.code], [400, 400], JSON.stringify(network))
  }
})
