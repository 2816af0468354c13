// sandbox.git: git of the guest, driven by the package. The guest has no network, so that remotes are on its own loopback: by git's
// daemon, and by HTTP with a password.
import assert from 'node:assert/strict'
import { sdk } from '../lib/sdk.mjs'
import { sharedTest } from '../lib/sandboxes.mjs'
import { until } from '../lib/wait.mjs'

const { GitAuthError, GitUpstreamError, InvalidArgumentError } = sdk
const author = { authorName: 'Ann', authorEmail: 'ann@example.com' }
const account = { username: 'ann', password: 'secret' }
const daemonPort = 9418
const httpPort = 9480
let made = 0

/** A test in a directory of its own, below what the remotes' servers serve. */
const gitTest = (title, run) => sharedTest(title, async (sandbox) => {
  const directory = `/home/user/${++made}`
  const print = async (command) => (await sandbox.commands.run(command)).stdout.trim()
  await run({ sandbox, git: sandbox.git, files: sandbox.files, print, directory, repo: `${directory}/repo` })
})

const createRepo = async ({ git, repo }) => { await git.init(repo, { initialBranch: 'main' }) }

async function commitFile({ git, files, repo }, text, message) {
  await files.write(`${repo}/README.md`, text)
  await git.add(repo)
  await git.commit(repo, message, author)
}

async function createRepoWithCommit(place) {
  await createRepo(place)
  await commitFile(place, 'hello\n', 'Initial commit')
}

// Smart HTTP for those who know the password; nobody else learns what there is.
const server = `import base64, http.server, os, subprocess
WANTED = 'Basic ' + base64.b64encode(b'${account.username}:${account.password}').decode()
class Handler(http.server.BaseHTTPRequestHandler):
    def serve(self):
        body = self.rfile.read(int(self.headers.get('Content-Length') or 0))
        if self.headers.get('Authorization') != WANTED:
            self.send_response(401)
            self.send_header('WWW-Authenticate', 'Basic realm="git"')
            self.end_headers()
            return
        path, _, query = self.path.partition('?')
        environment = dict(os.environ, GIT_PROJECT_ROOT='/home/user', GIT_HTTP_EXPORT_ALL='1', REMOTE_USER='${account.username}', PATH_INFO=path, QUERY_STRING=query,
            REQUEST_METHOD=self.command, CONTENT_TYPE=self.headers.get('Content-Type', ''), CONTENT_LENGTH=str(len(body)), HTTP_CONTENT_ENCODING=self.headers.get('Content-Encoding', ''))
        head, _, answer = subprocess.run(['git', 'http-backend'], input=body, env=environment, stdout=subprocess.PIPE).stdout.partition(b'\\r\\n\\r\\n')
        fields = dict(line.split(': ', 1) for line in head.decode().split('\\r\\n'))
        self.send_response(int(fields.pop('Status', '200').split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)
    do_GET = do_POST = serve
http.server.ThreadingHTTPServer(('127.0.0.1', ${httpPort}), Handler).serve_forever()
`
let servers

async function serve({ commands, files }) {
  await files.write('/home/user/serve.py', server)
  await commands.run(`git daemon --reuseaddr --base-path=/home/user --export-all --enable=receive-pack --listen=127.0.0.1 --port=${daemonPort}`, { background: true, timeoutMs: 0 })
  await commands.run('python3 serve.py', { background: true, timeoutMs: 0 })
  await until('both servers listen', async () => (await commands.run(`bash -c '</dev/tcp/127.0.0.1/${daemonPort} && </dev/tcp/127.0.0.1/${httpPort}' 2>&1 || echo not yet`)).stdout === '')
}

/** An empty repository that is served, and its addresses. */
async function createRemote({ sandbox, git, directory }, name = 'remote.git') {
  await (servers ??= serve(sandbox))
  const path = `${directory}/${name}`
  await git.init(path, { bare: true, initialBranch: 'main' })
  await git.setConfig('http.receivepack', 'true', { scope: 'local', path })
  const below = path.replace('/home/user', '')
  return { path, url: `git://127.0.0.1:${daemonPort}${below}`, httpUrl: `http://127.0.0.1:${httpPort}${below}` }
}

async function createPushedRepo(place, url) {
  const remote = await createRemote(place)
  await createRepoWithCommit(place)
  await place.git.remoteAdd(place.repo, 'origin', remote[url])
  return remote
}

gitTest('git init', async (place) => {
  const { git, files, print, directory, repo } = place
  await createRepo(place)
  assert.ok(await files.exists(`${repo}/.git`))
  assert.equal(await print(`git -C ${repo} symbolic-ref --short HEAD`), 'main')
  await git.init(`${directory}/bare`, { bare: true })
  assert.equal(await print(`git -C ${directory}/bare rev-parse --is-bare-repository`), 'true')
})

gitTest('git status reports untracked file', async (place) => {
  const { git, files, repo } = place
  await createRepo(place)
  await files.write(`${repo}/README.md`, 'hello\n')
  const status = await git.status(repo)
  assert.deepEqual(status.fileStatus.map(({ name, status: kind, staged }) => [name, kind, staged]), [['README.md', 'untracked', false]])
  assert.deepEqual([status.isClean, status.hasUntracked, status.currentBranch], [false, true, 'main'])
})

gitTest('git status names what was modified, renamed, deleted and is in conflict, and a detached head', async (place) => {
  const { git, files, print, repo } = place
  await createRepo(place)
  for (const name of ['changed', 'gone', 'old name', 'both']) await files.write(`${repo}/${name}`, `${name}\n`.repeat(9))
  await git.add(repo)
  await git.commit(repo, 'first', author)
  await git.createBranch(repo, 'other')
  await files.write(`${repo}/both`, 'theirs\n')
  await git.add(repo)
  await git.commit(repo, 'theirs', author)
  await git.checkoutBranch(repo, 'main')
  await files.write(`${repo}/both`, 'ours\n')
  await git.add(repo)
  await git.commit(repo, 'ours', author)
  await print(`cd ${repo} && { git -c user.name=Ann -c user.email=a@b merge other || true; } && echo more >> changed && rm gone && git mv 'old name' new`)
  const status = await git.status(repo)
  assert.deepEqual(Object.fromEntries(status.fileStatus.map((file) => [file.name, file.status])), { both: 'conflict', changed: 'modified', gone: 'deleted', new: 'renamed' })
  assert.deepEqual([status.hasConflicts, status.conflictCount, status.stagedCount > 0, status.totalCount], [true, 1, true, 4])
  await git.reset(repo, { mode: 'hard' })
  await git.checkoutBranch(repo, 'HEAD~1')
  assert.equal((await git.status(repo)).detached, true)
})

gitTest('git add stages files', async (place) => {
  const { git, files, repo } = place
  await createRepo(place)
  await files.write(`${repo}/README.md`, 'hello\n')
  await files.write(`${repo}/it's another`, 'hello\n')
  await git.add(repo, { files: ["it's another"] })
  let { fileStatus } = await git.status(repo)
  assert.deepEqual(fileStatus.map((file) => file.staged), [true, false])
  await git.add(repo)
  ;({ fileStatus } = await git.status(repo))
  assert.deepEqual(fileStatus.map((file) => [file.status, file.staged]), [['added', true], ['added', true]])
})

gitTest('git commit creates commit', async (place) => {
  const { git, print, repo } = place
  await createRepoWithCommit(place)
  assert.equal(await print(`git -C ${repo} log -1 --format='%B|%an|%ae'`), 'Initial commit\n|Ann|ann@example.com')
  const nothing = await git.commit(repo, 'nothing', author).catch((error) => error)
  assert.deepEqual([nothing.exitCode, /nothing to commit/.test(nothing.stdout)], [1, true])
  await git.commit(repo, 'of "nothing" $HOME', { ...author, allowEmpty: true })
  assert.equal(await print(`git -C ${repo} log -1 --format=%s`), 'of "nothing" $HOME')
})

gitTest('git commit uses config for missing author fields', async (place) => {
  const { git, files, print, repo } = place
  await createRepo(place)
  await git.setConfig('user.email', 'bot@example.com', { scope: 'local', path: repo })
  await files.write(`${repo}/README.md`, 'hello\n')
  await git.add(repo, { all: true })
  await git.commit(repo, 'Partial author commit', { authorName: 'Override Bot' })
  assert.equal(await print(`git -C ${repo} log -1 --format='%an %ae'`), 'Override Bot bot@example.com')
})

gitTest('git branches lists current and feature', async (place) => {
  const { git, print, repo } = place
  await createRepoWithCommit(place)
  await print(`git -C ${repo} branch feature`)
  const { branches, currentBranch } = await git.branches(repo)
  assert.deepEqual([branches.toSorted(), currentBranch], [['feature', 'main'], 'main'])
})

gitTest('git checkoutBranch switches branch', async (place) => {
  const { git, print, repo } = place
  await createRepoWithCommit(place)
  await print(`git -C ${repo} branch feature`)
  await git.checkoutBranch(repo, 'feature')
  assert.equal(await print(`git -C ${repo} rev-parse --abbrev-ref HEAD`), 'feature')
  assert.match((await git.checkoutBranch(repo, 'none').catch((error) => error)).stderr, /pathspec 'none' did not match/)
})

gitTest('git createBranch creates and checks out branch', async (place) => {
  const { git, repo } = place
  await createRepoWithCommit(place)
  await git.createBranch(repo, 'feature')
  const { branches, currentBranch } = await git.branches(repo)
  assert.deepEqual([branches.includes('feature'), currentBranch], [true, 'feature'])
})

gitTest('git deleteBranch removes branch', async (place) => {
  const { git, repo } = place
  await createRepoWithCommit(place)
  await git.createBranch(repo, 'feature')
  await git.commit(repo, 'only there', { ...author, allowEmpty: true })
  await git.checkoutBranch(repo, 'main')
  assert.match((await git.deleteBranch(repo, 'feature').catch((error) => error)).stderr, /not fully merged/)
  await git.deleteBranch(repo, 'feature', { force: true })
  assert.deepEqual((await git.branches(repo)).branches, ['main'])
})

gitTest('git reset --hard discards changes', async (place) => {
  const { git, files, repo } = place
  await createRepoWithCommit(place)
  await files.write(`${repo}/README.md`, 'changed\n')
  assert.equal((await git.status(repo)).isClean, false)
  await git.reset(repo, { mode: 'hard', target: 'HEAD' })
  assert.ok((await git.status(repo)).isClean)
  assert.equal(await files.read(`${repo}/README.md`), 'hello\n')
})

gitTest('git reset keeps what its mode says, and unstages the paths it is given', async (place) => {
  const { git, files, print, repo } = place
  await createRepoWithCommit(place)
  await commitFile(place, 'more\n', 'second')
  await git.reset(repo, { mode: 'soft', target: 'HEAD~1' })
  assert.equal(await print(`git -C ${repo} log -1 --format=%s`), 'Initial commit')
  assert.deepEqual((await git.status(repo)).fileStatus.map((file) => [file.name, file.staged]), [['README.md', true]])
  await git.reset(repo, { paths: ['README.md'] })
  assert.deepEqual((await git.status(repo)).fileStatus.map((file) => [file.name, file.staged]), [['README.md', false]])
  assert.equal(await files.read(`${repo}/README.md`), 'more\n')
})

gitTest('git restore --staged unstages changes', async (place) => {
  const { git, files, repo } = place
  await createRepoWithCommit(place)
  await files.write(`${repo}/README.md`, 'changed\n')
  await git.add(repo, { files: ['README.md'] })
  assert.equal((await git.status(repo)).hasStaged, true)
  await git.restore(repo, { paths: ['README.md'], staged: true, worktree: false })
  const status = await git.status(repo)
  assert.deepEqual([status.hasStaged, status.hasChanges], [false, true])
})

gitTest('git restore discards working tree changes', async (place) => {
  const { git, files, repo } = place
  await createRepoWithCommit(place)
  await files.write(`${repo}/README.md`, 'changed\n')
  await git.restore(repo, { paths: ['README.md'] })
  assert.ok((await git.status(repo)).isClean)
  assert.equal(await files.read(`${repo}/README.md`), 'hello\n')
  await commitFile(place, 'more\n', 'second')
  await git.restore(repo, { paths: ['README.md'], source: 'HEAD~1' })
  assert.equal(await files.read(`${repo}/README.md`), 'hello\n')
})

gitTest('git getConfig reads local config', async (place) => {
  const { git, print, repo } = place
  await createRepo(place)
  await print(`git -C ${repo} config --local pull.rebase true`)
  assert.equal(await git.getConfig('pull.rebase', { scope: 'local', path: repo }), 'true')
  assert.equal(await git.getConfig('pull.nothing', { scope: 'local', path: repo }), undefined)
})

gitTest('git setConfig updates local config', async (place) => {
  const { git, print, repo } = place
  await createRepo(place)
  await git.setConfig('pull.rebase', 'true', { scope: 'local', path: repo })
  assert.equal(await print(`git -C ${repo} config --local --get pull.rebase`), 'true')
  assert.equal(await git.getConfig('pull.rebase', { scope: 'global' }), undefined)
})

gitTest('git configureUser sets global user config', async ({ git, print }) => {
  await git.configureUser('Bot', 'bot@example.com')
  try {
    assert.equal(await print('git config --global --get user.name; git config --global --get user.email'), 'Bot\nbot@example.com')
    assert.equal(await git.getConfig('user.name', { scope: 'global' }), 'Bot')
  } finally {
    await print('git config --global --remove-section user')
  }
  await git.configureUser('Root', 'root@example.com', { scope: 'system', user: 'root' })
  assert.equal(await git.getConfig('user.email', { scope: 'system' }), 'root@example.com')
  await git.setConfig('user.name', 'Nobody', { user: 'user' })
  assert.equal(await print('git config --get user.name'), 'Nobody')
  await print('git config --global --remove-section user; sudo git config --system --remove-section user')
})

gitTest('git remoteGet returns undefined for missing remote', async (place) => {
  await createRepo(place)
  assert.equal(await place.git.remoteGet(place.repo, 'origin'), undefined)
})

gitTest('git remoteAdd adds remote', async (place) => {
  const { git, repo } = place
  await createRepo(place)
  const { url } = await createRemote(place)
  await git.remoteAdd(repo, 'origin', url)
  assert.equal(await git.remoteGet(repo, 'origin'), url)
})

gitTest('git remoteAdd overwrites existing remote', async (place) => {
  const { git, print, repo } = place
  const { url } = await createPushedRepo(place, 'url')
  await git.push(repo, { remote: 'origin', branch: 'main' })
  const other = `${url.slice(0, -'remote.git'.length)}none.git`
  assert.match((await git.remoteAdd(repo, 'origin', other).catch((error) => error)).stderr, /remote origin already exists/)
  await git.remoteAdd(repo, 'origin', other, { overwrite: true })
  assert.equal(await git.remoteGet(repo, 'origin'), other)
  await git.remoteAdd(repo, 'second', url, { fetch: true, overwrite: true })
  assert.equal(await print(`git -C ${repo} log -1 --format=%s second/main`), 'Initial commit')
})

gitTest('git clone fetches repo', async (place) => {
  const { git, files, print, directory, repo } = place
  const { url } = await createPushedRepo(place, 'url')
  await git.push(repo, { remote: 'origin', branch: 'main' })
  await commitFile(place, 'hello\nmore\n', 'second')
  await git.createBranch(repo, 'feature')
  await git.push(repo, { remote: 'origin', branch: 'feature' })
  await git.clone(url, { path: `${directory}/clone` })
  assert.equal(await files.read(`${directory}/clone/README.md`), 'hello\n')
  await git.clone(url, { path: `${directory}/part`, branch: 'feature', depth: 1 })
  assert.equal(await print(`cd ${directory}/part && git log --format=%s && git branch -r`), 'second\n  origin/feature')
  await git.clone(url, { cwd: directory }) // named after its address
  assert.ok(await files.exists(`${directory}/remote/README.md`))
  assert.match((await git.clone(url, { path: `${directory}/clone` }).catch((error) => error)).stderr, /already exists and is not an empty directory/)
  await assert.rejects(git.clone(`${url}x`, { path: `${directory}/none` }), GitAuthError) // "access denied or repository not exported"
})

gitTest('git push updates remote', async (place) => {
  const { git, print, repo } = place
  const { path } = await createPushedRepo(place, 'url')
  await git.push(repo, { remote: 'origin', branch: 'main' })
  assert.equal(await print(`git --git-dir=${path} log -1 --format=%B`), 'Initial commit')
  const status = await git.status(repo)
  assert.deepEqual([status.upstream, status.ahead], ['origin/main', 0])
  await commitFile(place, 'more\n', 'second')
  assert.equal((await git.status(repo)).ahead, 1)
})

gitTest('git push warns when no upstream', async (place) => {
  await createPushedRepo(place, 'url')
  await assert.rejects(place.git.push(place.repo, { setUpstream: false }), (error) => error instanceof GitUpstreamError && /no upstream branch is configured/i.test(error.message))
})

gitTest('git pull updates clone', async (place) => {
  const { git, files, directory, repo } = place
  const { url } = await createPushedRepo(place, 'url')
  await git.push(repo, { remote: 'origin', branch: 'main' })
  await git.clone(url, { path: `${directory}/clone` })
  await commitFile(place, 'hello\nmore\n', 'Update README')
  await git.push(repo)
  await git.pull(`${directory}/clone`)
  assert.equal(await files.read(`${directory}/clone/README.md`), 'hello\nmore\n')
})

gitTest('git pull warns when no upstream', async (place) => {
  await createPushedRepo(place, 'url')
  await assert.rejects(place.git.pull(place.repo), (error) => error instanceof GitUpstreamError && /no upstream branch is configured/i.test(error.message))
})

gitTest('git clone, push and pull with username/password leave neither in the repository', async (place) => {
  const { git, files, print, directory, repo } = place
  const { path, httpUrl } = await createPushedRepo(place, 'httpUrl')
  await git.push(repo, { branch: 'main', ...account }) // the only remote
  assert.equal(await print(`git --git-dir=${path} log -1 --format=%s`), 'Initial commit')
  await git.clone(httpUrl, { path: `${directory}/clone`, ...account })
  await commitFile(place, 'hello\nmore\n', 'Update README')
  await git.push(repo, { remote: 'origin', branch: 'main', ...account })
  await git.pull(`${directory}/clone`, account)
  assert.equal(await files.read(`${directory}/clone/README.md`), 'hello\nmore\n')
  for (const one of [repo, `${directory}/clone`]) assert.equal(await git.remoteGet(one, 'origin'), httpUrl)
  assert.equal(await print(`grep -r ${account.password} ${repo}/.git ${directory}/clone/.git || true`), '')
  await git.clone(httpUrl, { path: `${directory}/kept`, dangerouslyStoreCredentials: true, ...account })
  assert.equal(await git.remoteGet(`${directory}/kept`, 'origin'), httpUrl.replace('://', `://${account.username}:${account.password}@`))
})

gitTest('git clone, push and pull without credentials map an auth failure to GitAuthError', async (place) => {
  const { git, directory, repo } = place
  const { httpUrl } = await createPushedRepo(place, 'httpUrl')
  const wanted = (action) => (error) => error instanceof GitAuthError && error.message === `Git ${action} requires credentials for private repositories.`
  await assert.rejects(git.clone(httpUrl, { path: `${directory}/clone` }), wanted('clone'))
  await assert.rejects(git.clone(httpUrl, { path: `${directory}/clone`, username: 'ann', password: 'wrong' }), wanted('clone'))
  await assert.rejects(git.push(repo, { remote: 'origin', branch: 'main' }), wanted('push'))
  await assert.rejects(git.pull(repo, { remote: 'origin', branch: 'main' }), wanted('pull'))
  await assert.rejects(git.push(repo, { remote: 'origin', branch: 'main', username: 'ann' }), (error) => error instanceof GitAuthError && /requires a password/.test(error.message))
})

gitTest('git push with a wrong password fails, and the remote is named as before', async (place) => {
  const { git, repo } = place
  const { httpUrl } = await createPushedRepo(place, 'httpUrl')
  await assert.rejects(git.push(repo, { remote: 'origin', branch: 'main', username: 'ann', password: 'expired' }))
  assert.equal(await git.remoteGet(repo, 'origin'), httpUrl)
})

gitTest('git dangerouslyAuthenticate sets helper', async (place) => {
  const { git, files, print, directory, repo } = place
  const { httpUrl } = await createPushedRepo(place, 'httpUrl')
  await git.dangerouslyAuthenticate({ ...account, host: `127.0.0.1:${httpPort}`, protocol: 'http' })
  try {
    assert.equal(await print('git config --global --get credential.helper'), 'store')
    assert.equal(await git.getConfig('credential.helper', { scope: 'global' }), 'store')
    await git.push(repo, { remote: 'origin', branch: 'main' })
    await git.clone(httpUrl, { path: `${directory}/clone` })
    assert.equal(await files.read(`${directory}/clone/README.md`), 'hello\n')
  } finally {
    await print('git config --global --unset credential.helper; rm -f .git-credentials')
  }
})

gitTest('git refuses arguments that are missing or wrong before it runs anything', async ({ git, repo }) => {
  for (const call of [
    () => git.reset(repo, { mode: 'bogus' }),
    () => git.restore(repo, { paths: [] }),
    () => git.restore(repo, { paths: ['a'], staged: false, worktree: false }),
    () => git.remoteAdd(repo, '', 'https://example.com'),
    () => git.remoteAdd(repo, 'origin', ''),
    () => git.remoteGet(repo, ''),
    () => git.setConfig('', 'x'),
    () => git.setConfig('a.b', 'x', { scope: 'local' }),
    () => git.getConfig('a.b', { scope: 'other' }),
    () => git.configureUser('', 'x'),
    () => git.dangerouslyAuthenticate({ username: 'x' }),
    () => git.clone('https://example.com/x.git', { password: 'x' }),
    () => git.clone('git://127.0.0.1/x.git', account),
    () => git.push(repo, { password: 'x' }),
    () => git.pull(repo, { password: 'x' }),
  ]) await assert.rejects(call, InvalidArgumentError, call.toString())
})
