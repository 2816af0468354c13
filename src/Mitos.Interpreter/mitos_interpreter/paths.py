"""Where things are in the guest."""

import os
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))

# Connection files, sockets and cells; in memory.
RUN = "/run/mitos-interpreter"

# In the folder of a Python kernel: the pipe by which it says where a cell begins and ends.
ENDS = "ends"

# Process ids of the kernels in one line: whom the fork hook tells that the machine was forked.
KERNELS = RUN + "/kernels"

# Who this machine is: written by the agent before the machine is handed out.
IDENTITY = "/run/mitos"


def make_folder(prefix):
    """A new folder in RUN; code runs as root, and may have removed that."""
    os.makedirs(RUN, mode=0o700, exist_ok=True)
    return tempfile.mkdtemp(prefix=prefix, dir=RUN)
