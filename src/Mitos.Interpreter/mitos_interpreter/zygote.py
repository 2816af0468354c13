"""
The zygote: a process that has loaded all that a Python kernel needs, and forks to make one. A kernel is there in a moment, and
shares what it does not change with the others.
"""

import asyncio
import io
import json
import os
import signal
import socket
import sys

from .children import begin, ended


def fork_zygote():
    """Its process id, and a socket that it listens on. To be called before there are threads or a loop, which no fork survives."""
    ours, theirs = socket.socketpair()
    supervisor = os.getpid()
    pid = os.fork()
    if pid == 0:
        ours.close()
        _serve(theirs, supervisor)
    theirs.close()
    ours.setblocking(False)
    return pid, ours


class Zygote:
    """The supervisor's side."""

    def __init__(self, pid, ours):
        self._socket = ours
        self._turn = asyncio.Lock()
        self.ended = ended(pid, reap=True)

    async def fork(self, connection_file, cwd):
        """Process id of a new kernel."""
        loop = asyncio.get_running_loop()
        async with self._turn:
            await loop.sock_sendall(self._socket, json.dumps([connection_file, cwd]).encode() + b"\n")
            answer = await loop.sock_recv(self._socket, 100)
        if not answer:
            raise RuntimeError("the process that makes kernels has ended")
        return int(answer)


def _serve(requests, supervisor):
    begin()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for kernels: the supervisor watches them
    os.closerange(3, requests.fileno())
    if os.getppid() != supervisor:
        os._exit(0)
    _load()
    for line in requests.makefile("r"):
        pid = os.fork()
        if pid == 0:
            requests.close()
            _become_kernel(*json.loads(line))
        requests.sendall(b"%d" % pid)
    os._exit(0)


def _load():
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # or it warns in each kernel
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    sys.path[:] = [path for path in sys.path if path not in ("", "/")]
    import IPython.core.completer  # noqa: F401
    import ipykernel.kernelapp  # noqa: F401
    import matplotlib
    import numpy  # noqa: F401
    import pandas  # noqa: F401

    matplotlib.use("agg")
    import matplotlib.pyplot as pyplot

    from . import kernel_startup  # noqa: F401

    # The first figure is slow: fonts are found, renderers loaded. Not again in each kernel.
    figure = pyplot.figure()
    pyplot.plot([0, 1])
    pyplot.title("warm")
    figure.savefig(io.BytesIO(), format="png")
    pyplot.close(figure)
    matplotlib.use(os.environ["MPLBACKEND"])
    del os.environ["PYDEVD_DISABLE_FILE_VALIDATION"]


def _become_kernel(connection_file, cwd):
    try:
        begin()
        os.setsid()
        os.chdir(cwd)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        from . import kernel_startup

        kernel_startup.run(connection_file)
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(1)
    os._exit(0)
