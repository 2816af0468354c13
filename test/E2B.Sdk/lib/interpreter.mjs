// Sandboxes with the code interpreter.
import { create, keep, remove } from './sandboxes.mjs'
import { test } from 'node:test'

export const interpreter = 'code-interpreter-v1'

/** Creates one that is removed at the end of the file. */
export const createInterpreter = (options = {}) => create({ timeoutMs: 600_000, ...options }, interpreter)

/** A test with an interpreter of its own. */
export function interpreterTest(title, run, options = {}) {
  test(title, options, async (context) => {
    const sandbox = await createInterpreter(options.sandbox)
    try {
      await run(sandbox, context)
    } finally {
      await remove(sandbox)
    }
  })
}

let shared

/** A test that leaves nothing behind that another of the file could see. */
export function sharedInterpreterTest(title, run, options = {}) {
  test(title, options, async (context) => run(await (shared ??= createInterpreter()), context))
}

/** Forks, and has the children removed at the end. */
export async function fork(sandbox, count) {
  const children = await sandbox.fork({ count, timeoutMs: 600_000 })
  return children.map((child) => {
    if (child instanceof Error) throw child
    return keep(child)
  })
}
