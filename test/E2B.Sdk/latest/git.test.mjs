// sandbox.git: git of the guest, driven by the package; between repositories of the guest, for it has no network.
import assert from 'node:assert/strict'
import { sharedTest } from '../lib/sandboxes.mjs'

sharedTest('git: a clone, a branch and a commit reach the repository they came of', async ({ git, files, commands }) => {
  await git.init('origin', { bare: true, initialBranch: 'main' })
  await git.clone('/home/user/origin', { path: 'work' })
  await files.write('work/read.me', 'one\n')
  let status = await git.status('work')
  assert.deepEqual([status.hasUntracked, status.fileStatus.map((file) => [file.name, file.status])], [true, [['read.me', 'untracked']]])
  await git.add('work')
  await git.commit('work', 'first', { authorName: 'Ann', authorEmail: 'ann@example.com' })
  await git.createBranch('work', 'other')
  await files.write('work/read.me', 'two\n')
  status = await git.status('work')
  assert.deepEqual([status.currentBranch, status.isClean, status.fileStatus[0].status], ['other', false, 'modified'])
  await git.add('work', { files: ['read.me'] })
  await git.commit('work', 'second', { authorName: 'Ann', authorEmail: 'ann@example.com' })
  assert.ok((await git.status('work')).isClean)
  const { branches, currentBranch } = await git.branches('work')
  assert.deepEqual([branches.toSorted(), currentBranch], [['main', 'other'], 'other'])
  await git.push('work', { remote: 'origin', branch: 'other' })
  assert.equal((await commands.run('git -C origin log --format="%an %s" other')).stdout, 'Ann second\nAnn first\n')
  await assert.rejects(git.clone('/home/user/nowhere', { path: 'none' }))
})
