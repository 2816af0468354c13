"""Who this machine is. It changes with each fork, and kernels must notice before they run anything more."""

import os
import shlex

from .paths import IDENTITY


def _read(name):
    try:
        with open(os.path.join(IDENTITY, name), encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""  # not in a guest


def identity():
    """A text that no two machines share."""
    return (_read("sandbox-id") + _read("fork-id")).strip()


def describe():
    """{"id": text, "env": {name: value}}: what a kernel is told with each cell."""
    env = dict(pair.split("=", 1) for pair in shlex.split(_read("env")) if "=" in pair)
    return {"id": identity(), "env": {"E2B_SANDBOX": "true", "E2B_SANDBOX_ID": _read("sandbox-id").strip(), **env}}
