"""Where things are in the guest."""

import os

HERE = os.path.dirname(os.path.abspath(__file__))

# Connection files, sockets and cells; in memory.
RUN = "/run/mitos-interpreter"

# Process ids of the kernels in one line: whom the fork hook tells that the machine was forked.
KERNELS = RUN + "/kernels"

# Who this machine is: written by the agent before the machine is handed out.
IDENTITY = "/run/mitos"
