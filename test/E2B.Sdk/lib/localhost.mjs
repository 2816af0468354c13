// Loaded before all else: names below localhost lead to loopback, as in browsers, also where the host's resolver does not say so.
import dns from 'node:dns'

const { lookup } = dns
dns.lookup = (name, options, done) => {
  const callback = typeof options === 'function' ? options : done
  if (!name.endsWith('.localhost')) return lookup(name, options, done)
  process.nextTick(() => (options?.all ? callback(null, [{ address: '127.0.0.1', family: 4 }]) : callback(null, '127.0.0.1', 4)))
}
