import assert from 'node:assert/strict'
import { sandboxTest } from '../lib/sandboxes.mjs'

sandboxTest('create', async (sandbox) => {
  assert.match(sandbox.sandboxId, /^i[a-z0-9]{20}$/)
  assert.equal(await sandbox.isRunning(), true)
})
