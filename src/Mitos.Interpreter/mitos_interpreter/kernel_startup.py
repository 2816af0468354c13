"""What is in each Python kernel besides ipykernel: the environment of a run, numbers that no two forks share, charts and data."""

import _thread
import contextlib
import os
import random
import signal
import sys

from ipykernel.kernelapp import IPKernelApp

from . import machine
from .formatters import install_formatters
from .kernel import Kernel
from .packing import pack


def reseed():
    """
    Draws new seeds from the kernel of the operating system, which the fork has given entropy of its own. Returns None; or the lock
    that somebody holds who is about to draw from numpy's generator, and without which that cannot be seeded.
    """
    random.seed()
    ssl = sys.modules.get("ssl")
    if ssl:
        ssl.RAND_add(os.urandom(32), 32)
    numpy = sys.modules.get("numpy")
    if numpy:
        find = getattr(numpy.random, "get_bit_generator", None)  # since 1.24
        lock = (find() if find else numpy.random.mtrand._rand._bit_generator).lock
        # To wait for it could be for ever: the code that was interrupted may hold it.
        if not lock.acquire(blocking=False):
            return lock
        lock.release()
        with contextlib.suppress(TypeError):  # the code's own generator, which cannot be seeded
            numpy.random.seed(list(memoryview(os.urandom(64)).cast("I")))
    return None


class Surroundings:
    """The machine that the kernel runs in, and the variables that are set for one cell."""

    def __init__(self):
        self._machine = None
        self._machine_env = {}
        self._saved = {}
        self._told = self._renewing = False

    def notice_fork(self):
        """
        Reseeds if this is another machine than the last time; returns the lock that it must wait for, or None. In the main thread
        only, also as the handler of a signal, which may come while this goes on: also in a machine that was forked in its midst,
        where seeds drawn before are its siblings' too.
        """
        self._told = True
        lock = None
        while self._told and not self._renewing:
            self._renewing = True
            try:
                self._told = False
                identity = machine.identity()
                if identity != self._machine:
                    lock = reseed()
                    if not lock:
                        self._machine = identity
            finally:
                self._renewing = False
        return lock

    def on_signal(self):
        lock = self.notice_fork()
        if lock:
            with contextlib.suppress(RuntimeError):  # no thread is to be had: the next cell does it
                _thread.start_new_thread(_tell_when_free, (lock, _thread.get_ident()))

    def before_cell(self, message):
        told = message.get("metadata", {}).get("mitos")
        if not told:
            return
        while lock := self.notice_fork():  # a thread is drawing; this one is not
            with lock:
                pass
        env = told["machine"]["env"]
        for name in self._machine_env.keys() - env.keys():
            if os.environ.get(name) == self._machine_env[name]:
                del os.environ[name]
        # What code has set since stays: only what is new to the machine is taken.
        os.environ.update({name: value for name, value in env.items() if self._machine_env.get(name) != value})
        self._machine_env = env
        self._saved = {name: os.environ.get(name) for name in told["env"]}
        os.environ.update(told["env"])

    def after_cell(self):
        for name, value in self._saved.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self._saved = {}


def _tell_when_free(lock, main_thread):
    with lock:
        pass
    signal.pthread_kill(main_thread, signal.SIGURG)


def run(connection_file):
    """Is a kernel, until it is told to end."""
    app = IPKernelApp.instance(kernel_class=Kernel, outstream_class=f"{Kernel.__module__}.Stream")
    app.initialize(["-f", connection_file, "--HistoryManager.enabled=False", "--InteractiveShell.colors=NoColor", "--IPKernelApp.parent_handle=1", f"--Session.packer={pack.__module__}.pack"])
    app.kernel.attend(os.path.dirname(connection_file))
    shell = app.shell
    surroundings = Surroundings()
    surroundings.notice_fork()
    # Not only with the next cell: code that runs, or a thread, must not go on with the numbers of its siblings.
    signal.signal(signal.SIGURG, lambda *_: surroundings.on_signal())
    shell.events.register("pre_run_cell", lambda _: surroundings.before_cell(shell.kernel.get_parent("shell")))
    shell.events.register("post_run_cell", lambda _: surroundings.after_cell())
    shell.enable_matplotlib("inline")
    install_formatters(shell.display_formatter)
    import matplotlib.pyplot
    import numpy
    import pandas

    shell.push({"np": numpy, "pd": pandas, "plt": matplotlib.pyplot}, interactive=False)
    app.start()
