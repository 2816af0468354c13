// Preloaded into a daemon: ends it directly before or after the Nth change of what outlives it, so that a test can have every one.
// Changes are those of names (made, replaced, removed) below the directories of FATAL_ROOTS, and what is forced to the disk.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

// Shared with the test. die: the step to die at; -1: only count and tell; 0: nothing.
static struct { _Atomic int die, seen; } *steps;
static char roots[512];
static int told = -1;

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("FATAL_STEPS"), *below = getenv("FATAL_ROOTS"), *log = getenv("FATAL_LOG");
  unsetenv("LD_PRELOAD"); // not for its children
  if (!path || !below || !log)
    return;
  snprintf(roots, sizeof roots, "%s", below);
  int file = open(path, O_RDWR | O_CLOEXEC);
  told = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  void *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (shared != MAP_FAILED)
    steps = shared;
  close(file);
}

static const char *ours(const char *path) {
  char each[512], *rest;
  snprintf(each, sizeof each, "%s", roots);
  for (char *root = strtok_r(each, ":", &rest); root; root = strtok_r(NULL, ":", &rest)) {
    if (path && !strncmp(path, root, strlen(root)))
      return path + strlen(root);
  }
  return NULL;
}

static void step(const char *when, const char *what, const char *path) {
  if (!steps || !path || !steps->die)
    return;
  int number = atomic_fetch_add(&steps->seen, 1) + 1;
  char line[600];
  int length = snprintf(line, sizeof line, "%d %s %s %s\n", number, when, what, path);
  if (write(told, line, length) < 0 || number == steps->die)
    kill(getpid(), SIGKILL);
}

#define CHANGE(result, name, parameters, arguments, path) \
  result name parameters { \
    static result(*real) parameters; \
    if (!real) \
      real = dlsym(RTLD_NEXT, #name); \
    const char *shown = path; \
    step("before", #name, shown); \
    result done = real arguments; \
    step("after", #name, shown); \
    return done; \
  }

CHANGE(int, rename, (const char *from, const char *to), (from, to), ours(to))
CHANGE(int, unlink, (const char *path), (path), ours(path))
CHANGE(int, rmdir, (const char *path), (path), ours(path))
CHANGE(int, mkdir, (const char *path, mode_t mode), (path, mode), ours(path))
CHANGE(int, fsync, (int file), (file), "")
CHANGE(int, fdatasync, (int file), (file), "")

#define OPEN(name) \
  int name(const char *path, int flags, ...) { \
    static int (*real)(const char *, int, ...); \
    if (!real) \
      real = dlsym(RTLD_NEXT, #name); \
    va_list more; \
    va_start(more, flags); \
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; \
    va_end(more); \
    const char *shown = flags & O_CREAT && strncmp(path, "/sys/", 5) ? ours(path) : NULL; \
    step("before", #name, shown); \
    int file = real(path, flags, mode); \
    step("after", #name, shown); \
    return file; \
  }

OPEN(open)
OPEN(open64)
