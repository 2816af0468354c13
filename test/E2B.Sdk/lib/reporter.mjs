// Reports each test as a line of JSON, for the xunit test that runs the file, and keeps them in the file that E2B_SDK_RESULTS names:
// of each package and file of tests the latest run.
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { relative } from 'node:path'

const { E2B_SDK = 'e2b', E2B_SDK_RESULTS } = process.env

export default async function* report(events) {
  const files = {}
  const file = relative(process.cwd(), process.argv.at(-1)) // a run has one; tests of lib/sandboxes.mjs are said to stand there
  for await (const { type, data } of events) {
    if (type !== 'test:pass' && type !== 'test:fail') continue
    const isFile = data.details?.type === 'suite' || relative(process.cwd(), data.name) === file
    if (isFile && type === 'test:pass') continue
    const one = {
      name: isFile ? `${file} as a whole` : data.name,
      passed: type === 'test:pass',
      // What awaits a part of the server that is being built: its failure is known.
      awaiting: data.todo ?? undefined,
      ms: Math.round(data.details?.duration_ms ?? 0),
      error: type === 'test:fail' ? describe(data.details?.error) : undefined,
    }
    if (!isFile && data.skip === undefined) {
      ;(files[file] ??= []).push(one)
      if (E2B_SDK_RESULTS) keep(files)
    }
    if (data.skip === undefined) yield JSON.stringify(one) + '\n'
  }
}

function keep(files) {
  let all = {}
  try {
    all = JSON.parse(readFileSync(E2B_SDK_RESULTS))
  } catch {
    // the first run
  }
  for (const [file, tests] of Object.entries(files)) all[`${E2B_SDK} ${file}`] = tests
  writeFileSync(`${E2B_SDK_RESULTS}.new`, JSON.stringify(Object.fromEntries(Object.entries(all).sort()), null, 1))
  renameSync(`${E2B_SDK_RESULTS}.new`, E2B_SDK_RESULTS)
}

function describe(error) {
  const cause = error?.cause ?? error
  return cause?.stack ?? String(cause?.message ?? cause)
}
