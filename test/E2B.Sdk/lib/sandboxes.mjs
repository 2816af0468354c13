// Sandboxes for tests. What a test makes goes at its end, whatever became of it.
import { after, test } from 'node:test'
import { Sandbox, template } from './sdk.mjs'

const made = new Set()

/** Creates a sandbox that is removed at the end of the file, if it is still there then. */
export async function create(options = {}, from = template) {
  return keep(await Sandbox.create(from, options))
}

/** Has a sandbox, or its id, removed at the end of the file. */
export function keep(sandbox) {
  made.add(sandbox.sandboxId ?? sandbox)
  return sandbox
}

/** A test with a sandbox of its own. */
export function sandboxTest(title, run, options = {}) {
  test(title, options, async (context) => {
    const sandbox = await create(options.sandbox)
    try {
      await run(sandbox, context)
    } finally {
      await remove(sandbox)
    }
  })
}

let shared

/** A test that leaves the sandbox as it found it, so that the whole file can share one. */
export function sharedTest(title, run, options = {}) {
  test(title, options, async (context) => run(await (shared ??= create({ timeoutMs: 600_000 })), context))
}

export async function remove(sandbox) {
  const id = sandbox.sandboxId ?? sandbox
  made.delete(id)
  await Sandbox.kill(id)
}

after(async () => {
  for (const id of made) await remove(id)
})
