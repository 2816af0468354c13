// Blocks SIGCHLD before the runtime makes its first thread, so that every thread inherits it: the agent reads the signal from a
// descriptor (Processes/Reaper.cs). A thread that did not block it could take it, and it would be gone.
//
// Why C: managed code runs only when the runtime's own threads are there already.
#define _GNU_SOURCE
#include <signal.h>

__attribute__((constructor)) static void block_child_signal(void)
{
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, 0);
}
