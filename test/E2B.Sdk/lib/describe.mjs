// Turns E2B's description of its API into JSON in which every schema is one that ajv understands.
import { writeFileSync, readFileSync } from 'node:fs'
import { parse } from 'yaml'

const [, , from, to] = process.argv
writeFileSync(to, JSON.stringify(parse(readFileSync(from, 'utf8')), (_, value) => {
  // OpenAPI 3.0 has `nullable` also where JSON Schema would have a choice.
  if (!value?.nullable || value.type) return value
  const { nullable, ...schema } = value
  return { anyOf: [{ type: 'null' }, schema] }
}))
