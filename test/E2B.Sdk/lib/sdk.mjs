// The package under test: its name, or an alias of it, stands in E2B_SDK.
import { readFileSync } from 'node:fs'
import './conformance.mjs'

const name = process.env.E2B_SDK ?? 'e2b'

export const sdk = await import(name)
export const { Sandbox } = sdk
export const version = JSON.parse(readFileSync(new URL(`../node_modules/${name}/package.json`, import.meta.url))).version
export const template = 'base'

/** Whether the package is of this release or a later one. */
export function since(release) {
  const [major, minor] = version.split('.').map(Number)
  const [wantedMajor, wantedMinor] = release.split('.').map(Number)
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)
}
