"""Jupyter's messages as bytes: all that Python can hold, also halves of characters, and with functions that no cell can replace."""

import json

from jupyter_client.jsonutil import json_clean, json_default

_encode = json.JSONEncoder(default=json_default, allow_nan=False).encode


def pack(value):
    try:
        return _encode(value).encode("ascii")
    except (TypeError, ValueError):
        return _encode(json_clean(value)).encode("ascii")
