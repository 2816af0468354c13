// Reports each test as a line of JSON, for the xunit test that runs the file.
export default async function* report(events) {
  for await (const { type, data } of events) {
    if ((type !== 'test:pass' && type !== 'test:fail') || data.details?.type === 'suite' || data.name === data.file) continue
    const error = data.details?.error
    yield JSON.stringify({
      name: data.name,
      passed: type === 'test:pass',
      // What awaits a part of the server that is being built: its failure is known.
      awaiting: data.todo ?? null,
      skipped: data.skip ?? null,
      ms: Math.round(data.details?.duration_ms ?? 0),
      error: type === 'test:fail' ? describe(error) : null,
    }) + '\n'
  }
}

function describe(error) {
  const cause = error?.cause ?? error
  return cause?.stack ?? String(cause?.message ?? cause)
}
