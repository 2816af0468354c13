"""What is in each Python kernel besides ipykernel: the environment of a run, numbers that no two forks share, charts and data."""

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
    """Draws new seeds from the kernel of the operating system, which the fork has given entropy of its own."""
    random.seed()
    numpy = sys.modules.get("numpy")
    if numpy:
        numpy.random.seed(list(memoryview(os.urandom(64)).cast("I")))
    ssl = sys.modules.get("ssl")
    if ssl:
        ssl.RAND_add(os.urandom(32), 32)


class Surroundings:
    """The machine that the kernel runs in, and the variables that are set for one cell."""

    def __init__(self):
        self._machine = None
        self._machine_env = {}
        self._saved = {}

    def notice_fork(self, identity):
        if identity != self._machine:
            self._machine = identity
            reseed()

    def before_cell(self, message):
        told = message.get("metadata", {}).get("mitos")
        if not told:
            return
        self.notice_fork(told["machine"]["id"])
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


def run(connection_file):
    """Is a kernel, until it is told to end."""
    app = IPKernelApp.instance(kernel_class=Kernel, outstream_class=f"{Kernel.__module__}.Stream")
    app.initialize(["-f", connection_file, "--HistoryManager.enabled=False", "--InteractiveShell.colors=NoColor", "--IPKernelApp.parent_handle=1", f"--Session.packer={pack.__module__}.pack"])
    app.kernel.attend(os.path.dirname(connection_file))
    shell = app.shell
    surroundings = Surroundings()
    reseed()
    # Not only with the next cell: code that runs, or a thread, must not go on with the numbers of its siblings.
    signal.signal(signal.SIGURG, lambda *_: surroundings.notice_fork(machine.identity()))
    shell.events.register("pre_run_cell", lambda _: surroundings.before_cell(shell.kernel.get_parent("shell")))
    shell.events.register("post_run_cell", lambda _: surroundings.after_cell())
    shell.enable_matplotlib("inline")
    install_formatters(shell.display_formatter)
    import matplotlib.pyplot
    import numpy
    import pandas

    shell.push({"np": numpy, "pd": pandas, "plt": matplotlib.pyplot}, interactive=False)
    app.start()
