// Writes into the README which releases of the packages were run and what became of it, from what the last test run kept in
// artifacts/sdk.json.
import { readFileSync, writeFileSync } from 'node:fs'

const at = (path) => new URL(path, import.meta.url)
const results = JSON.parse(readFileSync(at('../../artifacts/sdk.json')))
const versionOf = (name) => JSON.parse(readFileSync(at(`node_modules/${name}/package.json`))).version
const nameOf = (alias) => JSON.parse(readFileSync(at(`node_modules/${alias}/package.json`))).name

const packages = {}
for (const [key, tests] of Object.entries(results)) {
  const of = (packages[key.split(' ')[0]] ??= [])
  of.push(...tests)
}
const lines = Object.entries(packages).sort().map(([alias, tests]) => {
  const passed = tests.filter((test) => test.passed && !test.awaiting).length
  const missing = tests.filter((test) => !test.passed || test.awaiting).map((test) => test.name)
  return `| \`${nameOf(alias)}\` ${versionOf(alias)} | ${passed} of ${tests.length} | ${missing.join('; ') || '–'} |`
})
const readme = readFileSync(at('../../README.md'), 'utf8')
const table = ['| package | behaviours that pass | not yet |', '|---|---|---|', ...lines].join('\n')
writeFileSync(at('../../README.md'), readme.replace(/(<!-- sdk:begin -->)[^]*(<!-- sdk:end -->)/, `$1\n${table}\n$2`))
