"""Processes of the interpreter: known to have ended without being asked again and again, for an idle machine must sleep."""

import asyncio
import ctypes
import os
import signal


_prctl = ctypes.CDLL(None).prctl


def begin():
    """For a new child: it ends when the process that started it does, and heeds interrupts, whatever was inherited."""
    _prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def ended(pid, reap):
    """A future that is done when a process has ended; its result says how. `reap`: it is our own child."""
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        future.set_result("before it began")
        return future

    def done():
        loop.remove_reader(descriptor)
        os.close(descriptor)
        how = "it exited or was killed"
        if reap:
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            how = f"signal {-code}" if code < 0 else f"exit status {code}"
        if not future.done():
            future.set_result(how)

    loop.add_reader(descriptor, done)
    return future


def signal_group(pid, number):
    try:
        os.killpg(pid, number)
        os.killpg(pid, signal.SIGCONT)  # what has stopped itself would not hear it
    except (ProcessLookupError, PermissionError):
        pass  # it has ended
