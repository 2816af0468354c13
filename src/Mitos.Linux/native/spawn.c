// Starts a process with exactly the descriptors, user, groups, session, terminal and cgroups that the caller names.
//
// Why C: between clone and execve only async-signal-safe code may run, which managed code cannot promise. One file serves the
// engine (a shared library beside it) and the guest agent (linked statically). The layout of mitos_spawn_request is mirrored
// in Mitos.Linux/Processes/SpawnRequest.cs and in Mitos.Guest.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    MITOS_NEW_SESSION = 1,     // setsid()
    MITOS_CONTROLLING_TTY = 2, // TIOCSCTTY on descriptor 0; needs MITOS_NEW_SESSION
    MITOS_NEW_GROUP = 4,       // setpgid(0, 0)
    MITOS_SET_IDENTITY = 8,    // setgroups, setresgid, setresuid from the fields below
    MITOS_NO_NEW_PRIVILEGES = 16,
    MITOS_NO_HUGE_PAGES = 32,  // PR_SET_THP_DISABLE, inherited over exec: private memory then counts in 4 KiB pages
    MITOS_NO_CORE = 64,        // RLIMIT_CORE of 0: what it has in memory is somebody's secret
    MITOS_ENTER_FIRST = 128,   // chdir before the identity is set: the way there may be closed to that
};

struct mitos_spawn_request {
    const char *const *paths;  // candidates, absolute or relative to cwd, null-terminated; the first that can be executed wins
    char *const *argv;         // null-terminated
    char *const *envp;         // null-terminated
    const char *cwd;           // null: inherit
    const int32_t *fds;        // fds[i] becomes descriptor i of the child; all others are closed
    const int32_t *cgroups;    // descriptors of open cgroup.procs (or tasks) files; "0" is written to each
    const uint32_t *groups;    // supplementary groups
    uint64_t nofile;           // RLIMIT_NOFILE, 0: inherit
    int32_t fd_count;
    int32_t cgroup_count;
    int32_t group_count;
    uint32_t uid;
    uint32_t gid;
    uint32_t flags;
    int32_t network;           // descriptor of a network namespace that it enters, 0: inherit
    int32_t mounts;            // descriptor of a mount namespace whose root becomes its own, 0: inherit
};

// Which step failed; mirrored in managed code for the message.
enum step { STEP_NONE, STEP_CLONE, STEP_SESSION, STEP_CGROUP, STEP_DESCRIPTORS, STEP_TERMINAL, STEP_LIMITS, STEP_IDENTITY, STEP_CWD, STEP_EXEC, STEP_NETWORK, STEP_MOUNTS };

struct shared {
    const struct mitos_spawn_request *request;
    sigset_t signals;
    int step, error;
};

static int fail(struct shared *s, int step)
{
    s->step = step;
    s->error = errno;
    _exit(127);
}

// Moves fds[i] to i. First above all targets, so that no target is overwritten before it was moved.
static int arrange(const struct mitos_spawn_request *r)
{
    int high[64];
    if (r->fd_count > 64) { errno = E2BIG; return -1; }
    for (int i = 0; i < r->fd_count; i++)
        if ((high[i] = fcntl(r->fds[i], F_DUPFD_CLOEXEC, 128)) < 0) return -1;
    for (int i = 0; i < r->fd_count; i++)
        if (dup2(high[i], i) < 0) return -1;
    return (int)syscall(SYS_close_range, r->fd_count, ~0U, 0);
}

static int child(void *argument)
{
    struct shared *s = argument;
    const struct mitos_spawn_request *r = s->request;
    for (int n = 1; n <= SIGRTMIN; n++) { // the runtime uses no later one
        struct sigaction defaults = { .sa_handler = SIG_DFL };
        sigaction(n, &defaults, 0); // not shared with the parent: no CLONE_SIGHAND
    }
    if ((r->flags & MITOS_NEW_SESSION) && setsid() < 0) fail(s, STEP_SESSION);
    if ((r->flags & MITOS_NEW_GROUP) && setpgid(0, 0) < 0) fail(s, STEP_SESSION);
    for (int i = 0; i < r->cgroup_count; i++)
        if (write(r->cgroups[i], "0", 1) != 1) fail(s, STEP_CGROUP);
    if (r->network && setns(r->network, CLONE_NEWNET) < 0) fail(s, STEP_NETWORK);
    if (r->mounts && setns(r->mounts, CLONE_NEWNS) < 0) fail(s, STEP_MOUNTS);
    if (arrange(r) < 0) fail(s, STEP_DESCRIPTORS);
    if ((r->flags & MITOS_CONTROLLING_TTY) && ioctl(0, TIOCSCTTY, 0) < 0) fail(s, STEP_TERMINAL);
    if (r->nofile) {
        struct rlimit limit = { r->nofile, r->nofile };
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0) fail(s, STEP_LIMITS);
    }
    if (r->flags & MITOS_NO_CORE) {
        struct rlimit none = { 0, 0 };
        if (setrlimit(RLIMIT_CORE, &none) < 0) fail(s, STEP_LIMITS);
    }
    if ((r->flags & MITOS_ENTER_FIRST) && r->cwd && chdir(r->cwd) < 0) fail(s, STEP_CWD);
    if (r->flags & MITOS_SET_IDENTITY) {
        // Raw calls: glibc's wrappers would broadcast the change to every thread of the parent, whose memory this is.
        if (syscall(SYS_setgroups, r->group_count, r->groups) < 0 || syscall(SYS_setresgid, r->gid, r->gid, r->gid) < 0
            || syscall(SYS_setresuid, r->uid, r->uid, r->uid) < 0)
            fail(s, STEP_IDENTITY);
    }
    if ((r->flags & MITOS_NO_NEW_PRIVILEGES) && syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) fail(s, STEP_IDENTITY);
    if ((r->flags & MITOS_NO_HUGE_PAGES) && syscall(SYS_prctl, PR_SET_THP_DISABLE, 1, 0, 0, 0) < 0) fail(s, STEP_LIMITS);
    if (!(r->flags & MITOS_ENTER_FIRST) && r->cwd && chdir(r->cwd) < 0) fail(s, STEP_CWD);
    sigset_t none;
    sigemptyset(&none);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, 0, 8);
    int error = ENOENT;
    for (int i = 0; r->paths[i]; i++) {
        execve(r->paths[i], r->argv, r->envp);
        if (errno == ENOENT || errno == ENOTDIR) continue;
        error = errno;
        if (errno != EACCES) break;
    }
    errno = error;
    return fail(s, STEP_EXEC);
}

// The switch of huge pages belongs to the memory, which a child shares with us until it executes. So it is on for us too as long
// as any such child is under way, and afterwards it is again what it was.
static pthread_mutex_t huge_lock = PTHREAD_MUTEX_INITIALIZER;
static int huge_users, huge_before;

static void begin_huge(void)
{
    pthread_mutex_lock(&huge_lock);
    if (huge_users++ == 0) huge_before = prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0);
    pthread_mutex_unlock(&huge_lock);
}

static void end_huge(void)
{
    pthread_mutex_lock(&huge_lock);
    if (--huge_users == 0) prctl(PR_SET_THP_DISABLE, huge_before, 0, 0, 0);
    pthread_mutex_unlock(&huge_lock);
}

// Returns the pid and stores a close-on-exec pidfd; or -errno, with the step that failed in *step.
int mitos_spawn(const struct mitos_spawn_request *request, int32_t *pidfd, int32_t *step)
{
    struct shared s = { .request = request };
    _Alignas(16) char stack[16 * 1024]; // a mapping of its own would cost faults at each start
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &s.signals); // no handler may run in the child while it borrows this memory
    int fd = -1;
    // vfork semantics: this thread sleeps until the child has executed or ended, so `s` and `stack` stay valid for it.
    if (request->flags & MITOS_NO_HUGE_PAGES) begin_huge();
    int pid = clone(child, stack + sizeof stack, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &s, &fd);
    int error = errno;
    if (request->flags & MITOS_NO_HUGE_PAGES) end_huge();
    sigprocmask(SIG_SETMASK, &s.signals, 0);
    if (pid < 0) { *step = STEP_CLONE; return -error; }
    if (s.step) {
        while (waitpid(pid, 0, 0) < 0 && errno == EINTR) { }
        close(fd);
        *step = s.step;
        return -s.error;
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    *pidfd = fd;
    *step = STEP_NONE;
    return pid;
}
