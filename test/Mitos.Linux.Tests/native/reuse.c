// Starts a process that has the number given and waits to be killed: what happens by chance when numbers come around.
// Prints "ok" when it has it. Ends, with the process, when its standard input does.
#define _GNU_SOURCE
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int count, char **arguments)
{
    pid_t wanted = count == 2 ? atoi(arguments[1]) : 0;
    struct clone_args request = { .exit_signal = SIGCHLD, .set_tid = (uintptr_t)&wanted, .set_tid_size = 1 };
    pid_t pid = syscall(SYS_clone3, &request, sizeof request);
    if (pid == 0) {
        for (;;) pause();
    }
    if (pid != wanted) { perror("clone3"); return 1; }
    puts("ok");
    fflush(stdout);
    getchar();
    kill(pid, SIGKILL);
    return 0;
}
